"""The finished files of a recording: which there are, and what each is for.

One list for everybody who serves or ships them. It loads no codec and may be imported anywhere.
Names are relative to `products/` and may lie one folder deep (`slides/003.jpg`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recorder.manifest import Manifest
from recorder.recording import LECTURE, PRODUCTS

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}"
_LANGUAGE = r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*"
_SLIDES = "slides"


class Kind(StrEnum):
    """What a product is for."""

    LECTURE = "lecture"
    SMALL = "small"
    TRACK = "track"
    FRAMED = "framed"
    AUDIO = "audio"
    CAPTIONS = "captions"
    TRANSCRIPT = "transcript"
    CHAPTERS = "chapters"
    SLIDES = "slides"
    SLIDE = "slide"
    POSTER = "poster"
    PREVIEW = "preview"
    METADATA = "metadata"
    OFFLINE = "offline"
    LINK = "link"
    DRAFT = "draft"
    STUDY = "study"


MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".vtt": "text/vtt",
    ".txt": "text/plain",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".imscc": "application/vnd.ims.imsccv1p3",
}

_FIXED = {
    LECTURE: Kind.LECTURE,
    "small.mp4": Kind.SMALL,
    "audio.m4a": Kind.AUDIO,
    "chapters.vtt": Kind.CHAPTERS,
    "slides.json": Kind.SLIDES,
    "slides.pdf": Kind.SLIDES,
    "sound.json": Kind.METADATA,
    "poster.jpg": Kind.POSTER,
    "sprites.jpg": Kind.PREVIEW,
    "sprites.vtt": Kind.PREVIEW,
    "metadata.json": Kind.METADATA,
    "data.json": Kind.METADATA,
    "offline.zip": Kind.OFFLINE,
    "link.imscc": Kind.LINK,
}
_NAMED = (
    (re.compile(rf"captions\.({_LANGUAGE})\.vtt"), Kind.CAPTIONS),
    (re.compile(rf"transcript\.({_LANGUAGE})\.txt"), Kind.TRANSCRIPT),
    (re.compile(rf"(?:summary|quiz)\.({_LANGUAGE})\.draft\.json"), Kind.DRAFT),
    (re.compile(rf"(?:summary|quiz)\.({_LANGUAGE})\.json"), Kind.STUDY),
)
_SLIDE = re.compile(rf"{_SLIDES}/\d{{3,5}}\.jpg")
_OF_SOURCE = re.compile(rf"({_NAME})(\.framed)?\.mp4")


@dataclass(frozen=True)
class Known:
    """What a name says: kind, and the language of a text or the source of a track."""

    kind: Kind
    language: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Product:
    """One finished file. `size` is in bytes; `language` is BCP 47; `role` is that of `source`."""

    name: str
    kind: Kind
    path: Path
    size: int
    mtime_ns: int
    media_type: str
    language: str | None = None
    source: str | None = None
    role: str | None = None

    @property
    def stamp(self) -> str:
        """Changes when the file does."""
        return f"{self.size}-{self.mtime_ns}"


def known(name: str, manifest: Manifest) -> Known | None:
    """What the product called `name` is for; None for a name that no product has.

    A name that is known leads nowhere but into `products/`.
    """
    if kind := _FIXED.get(name):
        spoken = manifest.language if kind is Kind.CHAPTERS else None
        return Known(kind, language=spoken)
    for pattern, kind in _NAMED:
        if found := pattern.fullmatch(name):
            return Known(kind, language=found[1])
    if _SLIDE.fullmatch(name):
        return Known(Kind.SLIDE)
    if (found := _OF_SOURCE.fullmatch(name)) and any(s.id == found[1] for s in manifest.sources):
        return Known(Kind.FRAMED if found[2] else Kind.TRACK, source=found[1])
    return None


def media_type(name: str) -> str:
    """The media type of a file of this name."""
    return MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")


def find(folder: Path, manifest: Manifest, name: str) -> Product | None:
    """The product `name` of the recording in `folder`; None when it is unknown or not there."""
    what = known(name, manifest)
    if what is None:
        return None
    path = folder / PRODUCTS / name
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    roles = {source.id: source.role.value for source in manifest.sources}
    return Product(
        name,
        what.kind,
        path,
        stat.st_size,
        stat.st_mtime_ns,
        media_type(name),
        what.language,
        what.source,
        roles.get(what.source) if what.source else None,
    )


def products(folder: Path, manifest: Manifest) -> list[Product]:
    """Every finished product of the recording in `folder`: the lecture first, then by kind, name.

    Half-written files (`.part`, dot files), links, and files that nobody knows are left out.
    """
    order = list(Kind)
    names = sorted(_names(folder / PRODUCTS))
    found = [product for name in names if (product := find(folder, manifest, name))]
    return sorted(found, key=lambda product: order.index(product.kind))


def _names(folder: Path) -> Iterator[str]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if not path.name.startswith("."):
            yield path.name
    slides = folder / _SLIDES
    for path in slides.iterdir() if slides.is_dir() and not slides.is_symlink() else ():
        yield f"{_SLIDES}/{path.name}"

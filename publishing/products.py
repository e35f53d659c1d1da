"""The finished files of a recording, as something that can be delivered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from recorder.recording import LECTURE, PRODUCTS, Manifest


class Kind(StrEnum):
    """What a product is for."""

    LECTURE = "lecture"
    TRACK = "track"
    AUDIO = "audio"
    CAPTIONS = "captions"
    CHAPTERS = "chapters"
    SLIDES = "slides"
    POSTER = "poster"
    PREVIEW = "preview"
    METADATA = "metadata"


STORE = frozenset(Kind) - {Kind.TRACK, Kind.AUDIO}
PLATFORM = frozenset({Kind.LECTURE, Kind.CAPTIONS, Kind.CHAPTERS, Kind.POSTER})
MEDIA = frozenset({Kind.LECTURE, Kind.TRACK, Kind.AUDIO})

_TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".vtt": "text/vtt",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True)
class Product:
    """One finished file. `name` is its name in `products/`; `size` is in bytes.

    `source` and `role` are set for a track, `language` (BCP 47) for captions.
    """

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


def collect(folder: Path, manifest: Manifest, kinds: frozenset[Kind]) -> list[Product]:
    """The products of these kinds in a recording folder; the lecture first, then by name.

    Half-written files (`.part`, dot files) and files nobody knows are left out.
    """
    roles = {source.id: source.role.value for source in manifest.sources}
    found = []
    for path in sorted((folder / PRODUCTS).glob("*")):
        if not path.is_file() or path.is_symlink() or path.name.startswith("."):
            continue
        known = _kind(path.name, roles)
        if known is None or known[0] not in kinds:
            continue
        kind, language, source = known
        stat = path.stat()
        found.append(
            Product(
                name=path.name,
                kind=kind,
                path=path,
                size=stat.st_size,
                mtime_ns=stat.st_mtime_ns,
                media_type=_TYPES.get(path.suffix, "application/octet-stream"),
                language=language or (manifest.language if kind is Kind.CHAPTERS else None),
                source=source,
                role=roles.get(source) if source else None,
            )
        )
    order = list(Kind)
    return sorted(found, key=lambda product: (order.index(product.kind), product.name))


def remembered(folder: Path, manifest: Manifest, stamps: dict[str, str]) -> list[Product]:
    """The products that a delivery was about, whether their files are still here or not."""
    roles = {source.id: source.role.value for source in manifest.sources}
    found = []
    for name, stamp in stamps.items():
        if (known := _kind(name, roles)) is None:
            continue
        kind, language, source = known
        size, _, mtime = stamp.partition("-")
        path = folder / PRODUCTS / name
        media_type = _TYPES.get(path.suffix, "application/octet-stream")
        found.append(Product(name, kind, path, int(size), int(mtime), media_type, language, source))
    return found


def _kind(name: str, roles: dict[str, str]) -> tuple[Kind, str | None, str | None] | None:
    if captions := re.fullmatch(r"captions\.([A-Za-z0-9-]+)\.vtt", name):
        return Kind.CAPTIONS, captions[1], None
    fixed = {
        LECTURE: Kind.LECTURE,
        "audio.m4a": Kind.AUDIO,
        "chapters.vtt": Kind.CHAPTERS,
        "slides.json": Kind.SLIDES,
        "slides.pdf": Kind.SLIDES,
        "poster.jpg": Kind.POSTER,
        "sprites.jpg": Kind.PREVIEW,
        "sprites.vtt": Kind.PREVIEW,
        "metadata.json": Kind.METADATA,
        "data.json": Kind.METADATA,
    }
    if name in fixed:
        return fixed[name], None, None
    stem, _, suffix = name.rpartition(".")
    if suffix == "mp4" and stem in roles:
        return Kind.TRACK, None, stem
    return None

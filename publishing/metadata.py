"""What a platform is told about a lecture, and whether it may be told anything at all.

The manifest is the base; `products/metadata.json` (written by production and by the review page)
stands above it, because that is where a person corrects things after class.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from publishing.errors import ErrorKind, HeldBackError, TargetError
from recorder.recording import MANIFEST, PRODUCTS, Life, Manifest, write_durably

METADATA = "metadata.json"


class Visibility(StrEnum):
    """Who may see it: nobody but the owner, whoever has the link, the course, everyone."""

    PRIVATE = "private"
    UNLISTED = "unlisted"
    COURSE = "course"
    PUBLIC = "public"


class Metadata(BaseModel):
    """A lecture in words. `started` is UTC, `duration_s` the lecture's length in seconds.

    `course` is the campus's own identifier (Moodle's idnumber, Canvas's sis id); `licence` is an
    SPDX identifier or a URL. `consent` is None when nobody was asked; `event` is the identifier
    under which the platform itself scheduled this class.
    """

    model_config = ConfigDict(extra="ignore")

    recording: str
    session: str
    room: str
    title: str
    started: datetime
    duration_s: float | None = None
    course: str | None = None
    course_title: str | None = None
    lecturer: str | None = None
    language: str | None = None
    licence: str | None = None
    description: str = ""
    visibility: Visibility = Visibility.COURSE
    publish: bool = True
    consent: bool | None = None
    event: str | None = None
    chapters: list[tuple[float, str]] = []

    @property
    def date(self) -> str:
        return self.started.strftime("%Y-%m-%d")

    @property
    def ended(self) -> datetime:
        return self.started + timedelta(seconds=self.duration_s or 0)

    @property
    def stamp(self) -> str:
        """Changes when a word, the visibility or a chapter does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def mark(self) -> str:
        """Stands in the description of what was published, so that it is found again."""
        return f"Recording {self.recording}"

    def lasts(self, seconds: float | None) -> bool:
        """Whether a platform that tells this duration has the lecture whole: it may round."""
        known = self.duration_s
        return seconds is not None and known is not None and abs(seconds - known) <= 2

    def text(self) -> str:
        """A description for platforms that have one free field: chapters in the usual form."""
        parts = [self.description] if self.description else []
        if self.lecturer:
            parts.append(self.lecturer)
        if self.chapters:
            parts.append("\n".join(f"{clock(t)} {title}" for t, title in self.chapters))
        return "\n\n".join(parts)


def clock(seconds: float) -> str:
    """`0:05`, `12:07`, `1:02:03`: seconds as platforms read chapter times in a description."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def read_manifest(folder: Path) -> tuple[Manifest, dict[str, Any]]:
    """The manifest, and the raw object with the keys that the model does not know.

    Raises TargetError (permanent) when it cannot be read.
    """
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest.model_validate(raw), raw
    except (OSError, ValueError) as error:
        raise TargetError(
            ErrorKind.PERMANENT,
            f"{folder.name}: the manifest cannot be read ({type(error).__name__}).",
            "Run `classroomd recordings salvage` on this recording.",
        ) from error


def correct(folder: Path, **words: Any) -> Metadata:
    """Correct what is told about a recording; None takes a correction back.

    Raises TargetError when the result is not valid; then nothing is changed.
    """
    path = folder / PRODUCTS / METADATA
    try:
        standing = json.loads(path.read_bytes())
    except (OSError, ValueError):
        standing = {}
    before = dict(standing) if isinstance(standing, dict) else {}
    changed = before | words
    write_durably(path, _text({k: v for k, v in changed.items() if v is not None}))
    try:
        return read_metadata(folder)
    except TargetError:
        write_durably(path, _text(before))
        raise


def _text(words: dict[str, Any]) -> bytes:
    return json.dumps(words, indent=1, ensure_ascii=False, default=str).encode()


def read_metadata(folder: Path) -> Metadata:
    """What may be told about this recording. Raises TargetError (permanent)."""
    manifest, raw = read_manifest(folder)
    told: dict[str, Any] = {key: raw[key] for key in Metadata.model_fields if key in raw}
    told["recording"] = manifest.id
    measured = manifest.products.get("lecture") if manifest.products else None
    if isinstance(measured, dict) and "duration_s" in measured:
        told["duration_s"] = measured["duration_s"]
    try:
        corrected = json.loads((folder / PRODUCTS / METADATA).read_text(encoding="utf-8"))
        if isinstance(corrected, dict):
            known = {k: v for k, v in corrected.items() if k in Metadata.model_fields}
            told.update({k: v for k, v in known.items() if k != "recording" and v is not None})
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise TargetError(
            ErrorKind.PERMANENT,
            f"{folder.name}/{PRODUCTS}/{METADATA} cannot be read ({type(error).__name__}).",
            "Run `classroomd produce --only package` on this recording.",
        ) from error
    if not told.get("chapters"):
        told["chapters"] = _chapters(folder)
    try:
        return Metadata.model_validate(told)
    except ValidationError as error:
        wrong = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise TargetError(
            ErrorKind.PERMANENT,
            f"{folder.name}: `{wrong}` of the metadata is not valid.",
            f"Correct `{wrong}` on the recording's review page.",
        ) from error


def permitted(folder: Path, *, needs_consent: bool = False) -> Metadata:
    """The metadata if this recording may be published now.

    Raises HeldBackError when a person does not let it out, TargetError (retry) while it is being
    recorded or changed.
    """
    manifest, _ = read_manifest(folder)
    if manifest.life is Life.RECORDING:
        raise TargetError(ErrorKind.RETRY, "The class is still being recorded.")
    if manifest.life is Life.HELD or manifest.held is not None:
        by = (manifest.held or {}).get("by") or "The lecturer"
        raise HeldBackError(
            f"{by} holds this recording back.", "Release it on the recording's review page."
        )
    if manifest.edit is not None:
        if why := manifest.edit.get("error"):
            raise HeldBackError(
                f"This recording could not be changed as was asked: {why}",
                "Ask for the change again, or restore the recording on its review page.",
            )
        raise TargetError(ErrorKind.RETRY, "The recording is being changed.")
    metadata = read_metadata(folder)
    if not metadata.publish:
        raise HeldBackError(
            "This class does not allow publishing.", "Allow it on the recording's review page."
        )
    if metadata.consent is False or (needs_consent and metadata.consent is None):
        raise HeldBackError(
            "The consent to publish is missing.",
            "Ask the lecturer, and note the consent on the recording's review page.",
        )
    return metadata


def for_a_course(metadata: Metadata) -> None:
    """Raise TargetError (blocked) when the people of a course may not see it."""
    if metadata.visibility is Visibility.PRIVATE:
        raise TargetError(
            ErrorKind.BLOCKED,
            "This recording is private; a course would see it.",
            "Change its visibility on the recording's review page.",
        )


def _chapters(folder: Path) -> list[tuple[float, str]]:
    """Chapters of `products/chapters.vtt` as (seconds, title)."""
    try:
        lines = (folder / PRODUCTS / "chapters.vtt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    chapters = []
    timing = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3}) -->")
    for at, line in enumerate(lines[:-1]):
        if (when := timing.match(line)) and lines[at + 1].strip():
            hours, minutes, seconds, millis = (int(part or 0) for part in when.groups())
            t = hours * 3600 + minutes * 60 + seconds + millis / 1000
            chapters.append((t, lines[at + 1].strip()))
    return chapters

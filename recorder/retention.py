"""Making room: what may be deleted here because it is proved to be elsewhere.

Nothing is deleted for its age or for lack of space alone. A recording may go when every delivery
it has is verified, the receipts are about the very files that lie here, and no one holds it. A
lecture that production made again after it was sent as recorded (`before_delivery`) is covered by
the receipt of what was sent. What goes is the media; the manifest, the markers, the receipts and
all text stay, so that the room still knows what it taught, and where it is.

Before it goes it is announced: `going.json` says from when on. It is taken back when anything
happens that keeps the recording.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from recorder import production_state
from recorder.lock import writer
from recorder.recording import (
    DELIVERIES,
    LECTURE,
    LIVE,
    PRODUCTS,
    TRACKS,
    Life,
    Recording,
    list_recordings,
    write_durably,
)

log = logging.getLogger(__name__)

PRUNED = "pruned.json"
GOING = "going.json"
WARN_DAYS = 3.0
_DONE = "verified"
KeepDays = float | Callable[[str | None], float | None]
_MEDIA = frozenset({".mp4", ".m4a", ".mkv", ".jpg", ".h264", ".aac"})


@dataclass(frozen=True)
class Verdict:
    """What retention thinks of one recording. `size` is the bytes that would become free.

    `due` is from when on it may go, None while something keeps it; `announced`: it was said just
    now that it will.
    """

    recording: str
    folder: Path
    size: int
    prune: bool
    reason: str
    due: datetime | None = None
    announced: bool = False


def judge(
    recording: Recording,
    *,
    required: Collection[str] = (),
    keep_days: KeepDays = 0,
    now: datetime | None = None,
) -> Verdict:
    """Whether this recording's media may be deleted here, and why.

    `required` are the targets that must each have a verified receipt; without any, one verified
    delivery is enough, and every delivery that exists must be verified. `keep_days` counts from
    the end of class; a function tells it for each course, None keeps for ever.
    """
    now = now or datetime.now(UTC)
    manifest = recording.manifest
    files = list(_media(recording.folder))
    size = sum(stat.st_size for _, stat in files)

    def verdict(prune: bool, reason: str, due: datetime | None = None) -> Verdict:
        return Verdict(recording.id, recording.folder, size, prune, reason, due)

    if manifest.life is Life.RECORDING:
        return verdict(False, "it is being recorded")
    if manifest.life is Life.HELD or manifest.held is not None:
        return verdict(False, "the lecturer holds it")
    if manifest.edit is not None:
        return verdict(False, "it is being changed")
    if writer(recording.folder) is not None:
        return verdict(False, "a recorder works on it")
    if not files:
        return verdict(False, "its media was already deleted")
    deliveries = dict(_deliveries(recording.folder))
    if missing := sorted(set(required) - deliveries.keys()):
        return verdict(False, f"it was not delivered to {', '.join(missing)}")
    if not deliveries:
        return verdict(False, "it was never delivered")
    for name, delivery in deliveries.items():
        if problem := _unproved(recording, delivery):
            return verdict(False, f"{name}: {problem}")
    if not any(_carries_media(delivery) for delivery in deliveries.values()):
        return verdict(False, "no target has the lecture itself")
    days = keep_days(manifest.course) if callable(keep_days) else keep_days
    if days is None:
        return verdict(False, "recordings of its course are kept")
    due = (manifest.ended or manifest.started) + timedelta(days=days)
    if now < due:
        return verdict(False, f"it is younger than {days:g} days", due)
    return verdict(True, f"verified at {', '.join(sorted(deliveries))}", due)


def prune(
    root: Path,
    *,
    required: Collection[str] = (),
    keep_days: KeepDays = 0,
    reserve_bytes: int | None = None,
    warn_days: float = 0,
    dry_run: bool = False,
    now: datetime | None = None,
) -> list[Verdict]:
    """Delete the media of recordings that may go, the oldest first; a verdict for each recording.

    With `reserve_bytes` only as many go as it takes until that much is free. None goes that was
    not announced `warn_days` before, or as long before as it is kept at all. `dry_run` decides and
    changes nothing. Interrupted at any point, the next call finishes what was begun.
    """
    now = now or datetime.now(UTC)
    verdicts = []
    free = shutil.disk_usage(root).free
    for recording in sorted(list_recordings(root), key=lambda one: one.manifest.started):
        verdict = judge(recording, required=required, keep_days=keep_days, now=now)
        verdict = _announce(recording, verdict, warn_days, now, dry_run=dry_run)
        if verdict.prune and reserve_bytes is not None and free >= reserve_bytes:
            verdict = replace(verdict, prune=False, reason="there is room enough")
        if verdict.prune:
            free += verdict.size
            if not dry_run:
                _delete_media(recording, verdict)
        verdicts.append(verdict)
    return verdicts


def going(folder: Path) -> datetime | None:
    """From when on the media of this recording is deleted here, None if that is not announced."""
    return _noted(folder / GOING, "from")


def pruned(folder: Path) -> datetime | None:
    """When the media of this recording was deleted here, None if it was not."""
    return _noted(folder / PRUNED, "at")


def _announce(
    recording: Recording, verdict: Verdict, warn_days: float, now: datetime, *, dry_run: bool
) -> Verdict:
    """The verdict as the announcement leaves it: none yet, not long enough ago, or in vain."""
    path, told = recording.folder / GOING, going(recording.folder)
    if verdict.due is None:
        if told is not None and not dry_run:
            path.unlink(missing_ok=True)
        return verdict
    ended = recording.manifest.ended or recording.manifest.started
    lead = min(timedelta(days=warn_days), verdict.due - ended)
    if not lead or now < verdict.due - lead:
        return verdict
    if announced := told is None:
        told = max(verdict.due, now + lead)
        if not dry_run:
            note = {"at": now.isoformat(), "from": told.isoformat()}
            write_durably(path, json.dumps(note).encode())
    if told and now < told:
        words = f"it goes on {told:%Y-%m-%d %H:%M} UTC"
        return replace(verdict, prune=False, reason=words, due=told, announced=announced)
    return verdict


def _noted(path: Path, key: str) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(path.read_bytes())[key])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _delete_media(recording: Recording, verdict: Verdict) -> None:
    log.info("%s: media deleted, %s", recording.folder.name, verdict.reason)
    for path, _ in list(_media(recording.folder)):
        path.unlink(missing_ok=True)
    for folder in (TRACKS, LIVE):
        shutil.rmtree(recording.folder / folder, ignore_errors=True)
    # Written last: on a full disk there is room for it only now.
    note = {"at": datetime.now(UTC).isoformat(), "bytes": verdict.size, "because": verdict.reason}
    write_durably(recording.folder / PRUNED, json.dumps(note).encode())
    (recording.folder / GOING).unlink(missing_ok=True)


def is_media(name: str) -> bool:
    """Whether a product of this name goes when room is made."""
    return Path(name).suffix in _MEDIA


def _media(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Media files of a recording, links never followed. Text of any kind is not media."""
    for top in (TRACKS, LIVE, PRODUCTS):
        for parent, _, names in os.walk(folder / top, followlinks=False):
            for name in names:
                path = Path(parent) / name
                if top == PRODUCTS and not is_media(name):
                    continue
                try:
                    yield path, path.lstat()
                except FileNotFoundError:
                    continue


def _deliveries(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each target's delivery; a file that cannot be read counts as one that is not verified."""
    for path in sorted((folder / DELIVERIES).glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        yield path.stem, content if isinstance(content, dict) else {}


def _unproved(recording: Recording, delivery: dict[str, Any]) -> str:
    """Why this delivery is no proof, or "". Its stamps are `size-mtime_ns` of what was sent."""
    receipt = delivery.get("receipt")
    if delivery.get("state") != _DONE or not isinstance(receipt, dict) or not receipt.get("files"):
        return "the delivery is not verified"
    stamps = delivery.get("stamps")
    if not isinstance(stamps, dict) or not stamps:
        return "the receipt does not say what it is about"
    for name, stamp in stamps.items():
        try:
            stat = (recording.folder / PRODUCTS / name).stat()
        except FileNotFoundError:
            continue
        same = f"{stat.st_size}-{stat.st_mtime_ns}" == stamp
        if is_media(name) and not same and not _made_again(recording, stat):
            return f"{name} has changed since it was delivered"
    return ""


def _made_again(recording: Recording, stat: os.stat_result) -> bool:
    """Whether production itself made this file anew after it was sent, and nobody has since."""
    state = production_state.load(recording.folder)
    if state is None or state.state != "done" or not state.sent_first:
        return False
    return stat.st_mtime <= state.changed.timestamp() + 1.0


def _carries_media(delivery: dict[str, Any]) -> bool:
    """Whether the target itself says that it has the lecture; a posted link is no copy."""
    return any(file.get("name") == LECTURE for file in delivery["receipt"]["files"])

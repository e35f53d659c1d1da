"""A delivery on disk: `deliveries/<target>.json` in the recording folder.

The file is the job and its proof: it is replaced whole and synced, so that a `kill -9` or a power
cut leaves the old one or the new one. It may hold upload URLs, so only its owner may read it.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from publishing.target import Receipt
from recorder.recording import DELIVERIES

_log = logging.getLogger(__name__)
_HISTORY = 100


class DeliveryState(StrEnum):
    """Where a delivery stands. `failed` says what a person must do in its remedy.

    `held`: a person does not let the recording out; it waits until that changes. `withdrawing`:
    it is being taken back, and that is tried until the target has confirmed it.
    """

    WAITING = "waiting"
    SENDING = "sending"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    RETRYING = "retrying"
    FAILED = "failed"
    HELD = "held"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"


class Goal(StrEnum):
    """What a delivery is for: to arrive, to be taken back for good, or until it is released."""

    DELIVER = "deliver"
    WITHDRAW = "withdraw"
    RECALL = "recall"


class Step(BaseModel):
    """One line of a delivery's history: its audit trail."""

    at: datetime
    what: str
    by: str = ""


class Delivery(BaseModel):
    """What is remembered of one product set going to one target. Times are UTC.

    `stamps` are the products as they were verified (name → size and mtime); `failures` counts
    tries in a row that moved nothing; `notes` belong to the target.
    """

    model_config = ConfigDict(extra="ignore")

    version: int = 1
    id: str
    recording: str
    target: str
    state: DeliveryState = DeliveryState.WAITING
    goal: Goal = Goal.DELIVER
    created: datetime
    deadline: datetime
    attempts: int = 0
    failures: int = 0
    next_try: datetime | None = None
    sent_bytes: int = 0
    total_bytes: int = 0
    detail: str = ""
    remedy: str = ""
    receipt: Receipt | None = None
    stamps: dict[str, str] = Field(default_factory=dict)
    notes: dict[str, Any] = Field(default_factory=dict)
    history: list[Step] = Field(default_factory=list)

    def tell(self, what: str, by: str = "") -> None:
        """Add a line to the history; the oldest lines but the first go when it grows long."""
        if self.history and self.history[-1].what == what:
            return
        self.history.append(Step(at=datetime.now(UTC), what=what, by=by))
        if len(self.history) > _HISTORY:
            del self.history[1 : len(self.history) - _HISTORY + 1]


def path_of(folder: Path, target: str) -> Path:
    return folder / DELIVERIES / f"{target}.json"


def load(folder: Path, target: str) -> Delivery | None:
    """The delivery of this recording to this target, if there is one.

    A damaged file is set aside as `<target>.json.damaged`: the target is asked what it holds
    before anything is sent, so starting afresh costs a question, not a second copy.
    """
    path = path_of(folder, target)
    try:
        return Delivery.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as error:
        _log.warning("%s is damaged and set aside: %s", path, type(error).__name__)
        path.replace(path.with_suffix(".json.damaged"))
        return None


def all_of(folder: Path) -> list[Delivery]:
    """Every delivery of one recording, by target name."""
    names = sorted(path.stem for path in (folder / DELIVERIES).glob("*.json"))
    return [found for name in names if (found := load(folder, name)) is not None]


def store(folder: Path, delivery: Delivery, *, durable: bool = True) -> None:
    """Write the delivery; when this returns it is on disk, under its name.

    Without `durable` a power cut may bring back the one before it; that is right for a mere change
    of state, which the next try finds out by asking the target.
    """
    path = path_of(folder, delivery.target)
    path.parent.mkdir(mode=0o750, exist_ok=True)
    replace(path, delivery.model_dump_json(indent=1).encode(), mode=0o600, durable=durable)


def replace(path: Path, content: bytes, *, mode: int, durable: bool = True) -> None:
    """Put `content` at `path`, all of it or nothing; `durable` syncs it with its folder."""
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    part.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable; a filesystem that cannot is left as it is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError:
        _log.debug("%s cannot be synced", folder)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path, target: str) -> Iterator[bool]:
    """Hold the right to work on this delivery; False when another process has it.

    The lock goes with the process, so a killed one leaves nothing behind.
    """
    path = folder / DELIVERIES / f".{target}.lock"
    path.parent.mkdir(mode=0o750, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def stamps_match(delivery: Delivery, stamps: dict[str, str]) -> bool:
    """Whether the delivery's receipt is about these very files."""
    return json.dumps(delivery.stamps, sort_keys=True) == json.dumps(stamps, sort_keys=True)

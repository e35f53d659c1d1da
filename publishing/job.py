"""One delivery at work: when it is due, what it carries, how it is shown."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from publishing import record, targets
from publishing.metadata import read_manifest, read_metadata
from publishing.products import Kind, Product, collect, remembered
from publishing.progress import Pace
from publishing.record import Delivery, DeliveryState
from publishing.target import ErrorKind, TargetConfig, TargetError
from recorder.recording import Life, Recording, RecordingError
from recorder.retention import PRUNED, is_media

ACTIVE = (DeliveryState.SENDING, DeliveryState.VERIFYING)
DONE = (DeliveryState.VERIFIED, DeliveryState.WITHDRAWN)
WORDS = "words"
_IMPLAUSIBLE = timedelta(days=2)
RESTING = (*DONE, DeliveryState.HELD)


class DeliveryStatus(BaseModel):
    """A delivery as it is shown. Sizes in bytes, `rate` in bytes per second, times UTC."""

    id: str
    recording: str
    target: str
    state: DeliveryState
    attempts: int = 0
    sent_bytes: int = 0
    total_bytes: int = 0
    rate: float | None = None
    eta_s: float | None = None
    detail: str = ""
    remedy: str = ""
    next_try: datetime | None = None
    deadline: datetime
    receipt: dict[str, Any] | None = None


@dataclass(frozen=True)
class Backoff:
    """Waiting times in seconds. `give_up_days` after its creation a delivery is called failed."""

    first: float = 5.0
    longest: float = 1800.0
    poll_longest: float = 300.0
    blocked: float = 3600.0
    give_up_days: float = 14.0

    def after(self, failures: int, longest: float | None = None) -> float:
        """Seconds before the next try: doubling, with jitter so that rooms do not march in step."""
        step = min(self.first * 2.0 ** min(failures, 30), longest or self.longest)
        return step * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass
class Job:
    """One delivery in this process: its record on disk, and how fast it moves now.

    `submitted_meanwhile`: it was asked for again while it was at work, maybe with other files.
    """

    folder: Path
    config: TargetConfig
    delivery: Delivery
    pace: Pace = field(default_factory=Pace)
    submitted_meanwhile: bool = False

    def due(self, now: datetime) -> bool:
        state = self.delivery.state
        if state in RESTING or (state is DeliveryState.FAILED and self.delivery.next_try is None):
            return False
        next_try = self.delivery.next_try
        # Nothing is put off for days: the clock stood in the future when this was written.
        return next_try is None or next_try <= now or next_try > now + _IMPLAUSIBLE

    def products(self) -> list[Product]:
        """What is delivered. Raises TargetError when there is nothing."""
        products = self.finished()
        if not products:
            raise TargetError(
                ErrorKind.PERMANENT,
                "This recording has no finished products.",
                "Run `classroomd produce` on it, then retry the delivery.",
            )
        return products

    def stamps(self, products: Sequence[Product]) -> dict[str, str]:
        """What is delivered as it stands now: each file's stamp, and that of the words."""
        words = read_metadata(self.folder).stamp
        return {WORDS: words} | {product.name: product.stamp for product in products}

    def finished(self) -> list[Product]:
        """The products of the kinds that go there, as far as they are finished.

        Media that was deleted here because it is there is among them, as it was sent.
        """
        manifest, _ = read_manifest(self.folder)
        kinds = frozenset(self.config.products) or targets.kind(self.config.target).takes
        here = collect(self.folder, manifest, kinds)
        if not self.pruned:
            return here
        names = {product.name for product in here}
        sent = remembered(self.folder, manifest, self.delivery.stamps)
        gone = [one for one in sent if one.name not in names and is_media(one.name)]
        return sorted(gone + here, key=lambda product: list(Kind).index(product.kind))

    @property
    def pruned(self) -> bool:
        """Whether the recording's media was deleted here."""
        return (self.folder / PRUNED).exists()

    def status(self) -> DeliveryStatus:
        """The delivery as it is shown."""
        delivery = self.delivery
        moving = delivery.state is DeliveryState.SENDING
        shown = delivery.model_dump(include=set(DeliveryStatus.model_fields) - {"receipt"})
        receipt = delivery.receipt.model_dump(mode="json") if delivery.receipt else None
        return DeliveryStatus(
            **shown,
            receipt=receipt,
            rate=self.pace.rate if moving else None,
            eta_s=self.pace.eta_s if moving else None,
        )


def note_life(folder: Path) -> None:
    """The recording's life follows its deliveries, unless a person holds it."""
    states = {delivery.state for delivery in record.all_of(folder)}
    try:
        recording = Recording.open(folder)
        manifest = recording.manifest
    except RecordingError:
        return
    now = manifest.life
    if now is Life.RECORDING:
        return
    if manifest.held is not None:
        life = Life.HELD
    elif not states or now is Life.HELD:
        return
    elif states <= {DeliveryState.VERIFIED}:
        life = Life.PUBLISHED
    elif DeliveryState.FAILED in states:
        life = Life.FAILED
    elif states <= {DeliveryState.VERIFIED, DeliveryState.WITHDRAWN, DeliveryState.HELD}:
        life = Life.READY
    else:
        life = Life.DELIVERING
    if now is not life:
        recording.update(life=life)


def seconds_until(when: datetime | None) -> float:
    """How long until then; 0 for the past and for None."""
    return max(0.0, (when - datetime.now(UTC)).total_seconds()) if when else 0.0

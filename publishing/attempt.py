"""One try of a delivery: ask, send what is missing, ask again; or take back what is there.

A try ends at the first fault and says when the next one is due. There is no retry below.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from publishing import record, targets
from publishing.bandwidth import Throttle
from publishing.errors import ErrorKind, HeldBackError, TargetError
from publishing.job import Backoff, Job, note_life
from publishing.metadata import permitted, read_manifest, read_metadata
from publishing.products import Product, remembered
from publishing.progress import Pace
from publishing.record import DeliveryState, Goal
from publishing.shipment import Shipment
from publishing.target import Receipt, Target

_log = logging.getLogger(__name__)


class Store(Protocol):
    """Writes a job's record, with a line for its history."""

    def __call__(self, job: Job, what: str = "", by: str = "", *, durable: bool = True) -> None: ...


@dataclass(frozen=True)
class Attempts:
    """How tries are made. `changed` is told at each change and while bytes move."""

    backoff: Backoff
    throttle: Throttle
    throttles: Mapping[str, Throttle]
    store: Store
    changed: Callable[[Job], object]

    async def make(self, job: Job) -> None:
        """One try at whatever the delivery is for; its record says how it went."""
        delivery = job.delivery
        with record.locked(job.folder, delivery.target) as mine:
            if not mine:
                delivery.next_try = datetime.now(UTC) + timedelta(seconds=self.backoff.first)
                return
            if (kept := record.load(job.folder, delivery.target)) is not None:
                delivery.notes = kept.notes  # others note what they sent, as in class (`ahead`)
            delivery.attempts += 1
            delivery.detail = delivery.remedy = ""
            delivery.next_try = None
            job.pace = Pace()
            shipment: Shipment | None = None
            try:
                if delivery.goal is not Goal.DELIVER:
                    await self.take_back(job)
                else:
                    self._enter(job, DeliveryState.SENDING)
                    permitted(job.folder, needs_consent=job.config.needs_consent)
                    products = job.products()
                    shipment = self._pack(job, products)
                    receipt = await self._exchange(job, shipment)
                    delivery.stamps = job.stamps(products)
                    self._verified(job, receipt)
            except TargetError as error:
                self._failed(job, error, shipment)
            except OSError as error:
                what = f"{type(error).__name__}: {error.strerror or error}"
                self._failed(job, TargetError(ErrorKind.RETRY, what), shipment)
            except Exception as error:
                _log.exception("delivery %s", delivery.id)
                what = f"An unexpected fault ({type(error).__name__}); the log has it whole."
                self._failed(job, TargetError(ErrorKind.RETRY, what), shipment)
        note_life(job.folder)

    async def take_back(self, job: Job, by: str = "") -> None:
        """Have the target take back what it shows. Raises TargetError when it cannot be."""
        delivery = job.delivery
        self._enter(job, DeliveryState.WITHDRAWING)
        # What was sent may have been deleted here since, or made anew.
        manifest = read_manifest(job.folder)[0]
        stamps = delivery.stamps
        sent = remembered(job.folder, manifest, stamps) if stamps else job.finished()
        shipment = self._pack(job, sent)
        async with targets.create(job.config) as target:
            try:
                await target.abandon(shipment)
                if sent:
                    await target.withdraw(shipment)
            except TargetError as error:
                if error.kind is not ErrorKind.ABSENT:
                    raise
        recalled = delivery.goal is Goal.RECALL
        delivery.state = DeliveryState.HELD if recalled else DeliveryState.WITHDRAWN
        delivery.receipt = None
        delivery.stamps, delivery.notes = {}, {}
        delivery.failures = delivery.sent_bytes = 0
        delivery.detail = delivery.remedy = ""
        if recalled:
            delivery.goal = Goal.DELIVER
        self.store(job, "recalled" if recalled else "withdrawn", by)
        self.changed(job)

    async def _exchange(self, job: Job, shipment: Shipment) -> Receipt:
        async with targets.create(job.config) as target:
            if job.delivery.attempts > 1:
                self._enter(job, DeliveryState.VERIFYING)
                if (receipt := await _ask(target, shipment)) is not None:
                    await self._words(target, shipment)
                    return receipt
                self._enter(job, DeliveryState.SENDING)
            await target.send(shipment)
            self._enter(job, DeliveryState.VERIFYING)
            receipt = await target.verify(shipment)
            await self._words(target, shipment)
            return receipt

    async def _words(self, target: Target, shipment: Shipment) -> None:
        """What is told about it follows, where it has changed since it was told."""
        stamp = shipment.metadata.stamp
        if shipment.notes.get("words", stamp) != stamp:
            shipment.notes["words"] = ""  # half told is told again, also what was as before
            await shipment.save()
            await target.reword(shipment)
        shipment.notes["words"] = stamp

    def _pack(self, job: Job, products: Sequence[Product]) -> Shipment:
        async def save() -> None:
            await asyncio.to_thread(record.store, job.folder, job.delivery)

        def progress() -> None:
            job.delivery.sent_bytes = shipment.arrived
            if job.pace.moved(shipment.sent, shipment.total - shipment.arrived):
                self.changed(job)

        shipment = Shipment(
            job.folder,
            read_metadata(job.folder),
            products,
            notes=job.delivery.notes,
            save=save,
            throttles=(self.throttle, self.throttles[job.config.id]),
            on_progress=progress,
        )
        job.delivery.total_bytes = shipment.total
        return shipment

    def _verified(self, job: Job, receipt: Receipt) -> None:
        delivery = job.delivery
        delivery.receipt = receipt
        delivery.sent_bytes = delivery.total_bytes
        delivery.detail = delivery.remedy = ""
        delivery.failures = 0
        delivery.state = DeliveryState.VERIFIED
        self.store(job, f"verified by {receipt.how}")
        self.changed(job)

    def _failed(self, job: Job, error: TargetError, shipment: Shipment | None) -> None:
        delivery, backoff = job.delivery, self.backoff
        moved = shipment is not None and shipment.sent > 0
        now = datetime.now(UTC)
        delivery.detail, delivery.remedy = error.message, error.remedy
        delivery.failures = 0 if moved else delivery.failures + 1
        # Also tried more than a few times: a clock that was set makes days of one moment.
        tried = delivery.failures > min(10, backoff.give_up_days)
        old = tried and now - delivery.created > timedelta(days=backoff.give_up_days)
        if isinstance(error, HeldBackError):
            delivery.state, delivery.next_try = DeliveryState.HELD, None
        elif error.kind is ErrorKind.PERMANENT or (old and error.kind is not ErrorKind.BLOCKED):
            delivery.state, delivery.next_try = DeliveryState.FAILED, None
            delivery.remedy = error.remedy or "Look into the cause, then retry the delivery."
        elif error.kind is ErrorKind.BLOCKED:
            delivery.state = DeliveryState.FAILED
            delivery.next_try = now + timedelta(seconds=error.retry_after or backoff.blocked)
        else:
            waiting = error.kind is ErrorKind.WAIT
            delivery.state = DeliveryState.VERIFYING if waiting else DeliveryState.RETRYING
            if delivery.goal is not Goal.DELIVER:
                delivery.state = DeliveryState.WITHDRAWING
            wait = backoff.after(delivery.failures, backoff.poll_longest if waiting else None)
            delivery.next_try = now + timedelta(seconds=max(wait, error.retry_after or 0))
        self.store(job, error.message)
        self.changed(job)

    def _enter(self, job: Job, state: DeliveryState) -> None:
        job.delivery.state = state
        self.store(job, durable=False)
        self.changed(job)


async def _ask(target: Target, shipment: Shipment) -> Receipt | None:
    try:
        return await target.verify(shipment)
    except TargetError as error:
        if error.kind is ErrorKind.ABSENT:
            return None
        raise

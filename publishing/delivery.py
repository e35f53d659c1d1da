"""The durable job that brings a recording to a target, however long it takes.

A delivery survives anything: its state lives in the recording folder, each try begins by asking
the target what it already holds, and only the target's own answer makes it `verified`. A try ends
at the first fault; the next one goes on from there. There is no other retry anywhere below.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from publishing import record, targets
from publishing.bandwidth import Throttle
from publishing.job import ACTIVE, DONE, Backoff, DeliveryStatus, Job, note_life, seconds_until
from publishing.metadata import permitted, read_manifest, read_metadata
from publishing.products import Product, remembered
from publishing.progress import Pace
from publishing.record import Delivery, DeliveryState
from publishing.shipment import Shipment
from publishing.target import ErrorKind, Receipt, Target, TargetConfig, TargetError, Window
from recorder.recording import MANIFEST
from recorder.retention import PRUNED

_log = logging.getLogger(__name__)


class DeliveryWorker:
    """Brings everything under `root` to its targets; several at a time, the most urgent first.

    `on_change` is called in the event loop at each change of state and about twice a second while
    bytes move. One delivery at a time goes to one target. `bandwidth` limits all of them together.
    """

    def __init__(
        self,
        root: Path,
        targets: Sequence[TargetConfig],
        *,
        on_change: Callable[[DeliveryStatus], None] = lambda _: None,
        side_by_side: int = 3,
        backoff: Backoff | None = None,
        bandwidth: Sequence[Window] = (),
        timezone: tzinfo | None = None,
    ) -> None:
        self._root = root
        self._configs = {config.id: config for config in targets}
        self._on_change = on_change
        self._side_by_side = side_by_side
        self._backoff = backoff or Backoff()
        self._throttle = Throttle(bandwidth, timezone=timezone)
        self._throttles = {
            config.id: Throttle(config.bandwidth, timezone=timezone) for config in targets
        }
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._scheduler: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up every delivery that the folders under `root` still know of."""
        for manifest in sorted(self._root.glob(f"*/{MANIFEST}")):
            for delivery in record.all_of(manifest.parent):
                self._adopt(manifest.parent, delivery)
        self._scheduler = asyncio.create_task(self._schedule(), name="deliveries")

    async def stop(self) -> None:
        """Stop where it is; everything goes on from there at the next start."""
        tasks = [*self._running.values()]
        if self._scheduler:
            tasks.append(self._scheduler)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()
        self._scheduler = None

    def submit(
        self, recording_folder: Path, target_id: str, *, by: str = "", again: bool = False
    ) -> DeliveryStatus:
        """Deliver this recording to this target; asking twice is one delivery.

        A verified delivery whose products have changed since is delivered anew. One that was
        withdrawn stays so unless a person asks with `again`. Raises TargetError when the target
        or the recording is unknown.
        """
        job = self._open(recording_folder, target_id, by=by, again=again)
        self._jobs[job.delivery.id] = job
        self._wake.set()
        return self._changed(job)

    def retry(self, delivery_id: str) -> DeliveryStatus:
        """Try now, whatever was in the way. Raises KeyError for an unknown delivery."""
        job = self._jobs[delivery_id]
        if delivery_id not in self._running and job.delivery.state not in DONE:
            job.delivery.state = DeliveryState.WAITING
            job.delivery.next_try = None
            job.delivery.failures = 0
            job.delivery.created = datetime.now(UTC)
            self._store(job, "asked to try again")
            self._wake.set()
        return self._changed(job)

    def statuses(self) -> list[DeliveryStatus]:
        """Every delivery that is known, the most urgent first."""
        jobs = sorted(self._jobs.values(), key=lambda job: job.delivery.deadline)
        return [job.status() for job in jobs]

    async def deliver_once(
        self, folder: Path, target_id: str, *, tries: int | None = None
    ) -> DeliveryStatus:
        """Deliver in the foreground until it is verified, has failed, or `tries` are used up."""
        job = self._open(folder, target_id)
        while job.delivery.state not in DONE:
            await self._try(job)
            if tries is not None:
                tries -= 1
            if job.delivery.state in (*DONE, DeliveryState.FAILED) or tries == 0:
                break
            await asyncio.sleep(seconds_until(job.delivery.next_try))
        return job.status()

    async def withdraw(self, folder: Path, target_id: str, *, by: str = "") -> DeliveryStatus:
        """Take a publication back, and remember who asked. Raises TargetError when it cannot be."""
        job = self._open(folder, target_id, anew=False)
        if (task := self._running.pop(job.delivery.id, None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        with record.locked(folder, target_id) as mine:
            if not mine:
                raise TargetError(
                    ErrorKind.RETRY, "Another process works on this delivery.", "Try again shortly."
                )
            # What was sent may have been deleted here since, or made anew.
            stamps, manifest = job.delivery.stamps, read_manifest(folder)[0]
            sent = remembered(folder, manifest, stamps) if stamps else job.products()
            async with targets.create(job.config) as target:
                await target.withdraw(self._pack(job, sent))
            job.delivery.state = DeliveryState.WITHDRAWN
            job.delivery.receipt = None
            job.delivery.notes = {}
            job.delivery.detail = job.delivery.remedy = ""
            self._store(job, "withdrawn", by)
        self._jobs[job.delivery.id] = job
        note_life(folder)
        return self._changed(job)

    # -- jobs ---------------------------------------------------------------------------------

    def _adopt(self, folder: Path, delivery: Delivery) -> None:
        config = self._configs.get(delivery.target)
        if config is None:
            return
        if delivery.state in ACTIVE:
            delivery.state = DeliveryState.WAITING
        if delivery.state is DeliveryState.FAILED and delivery.next_try is not None:
            delivery.next_try = datetime.now(UTC)  # what was in the way may have been put right
        self._jobs[delivery.id] = Job(folder, config, delivery)

    def _open(
        self,
        folder: Path,
        target_id: str,
        *,
        anew: bool = True,
        again: bool = False,
        by: str = "",
    ) -> Job:
        if (config := self._configs.get(target_id)) is None:
            raise TargetError(
                ErrorKind.PERMANENT,
                f"There is no target {target_id!r}.",
                f"Choose one of: {', '.join(self._configs) or 'none is configured'}.",
            )
        manifest, _ = read_manifest(folder)
        delivery_id = f"{manifest.id}.{target_id}"
        if delivery_id in self._running:
            return self._jobs[delivery_id]
        job = Job(folder, config, record.load(folder, target_id) or Delivery(
            id=delivery_id,
            recording=manifest.id,
            target=target_id,
            created=datetime.now(UTC),
            deadline=datetime.now(UTC) + timedelta(hours=config.deadline_hours),
        ))  # fmt: skip
        delivery = job.delivery
        if delivery.state is DeliveryState.VERIFIED and (folder / PRUNED).exists():
            anew = False  # the media was deleted here because it is there
        elif delivery.state is DeliveryState.VERIFIED:
            stamps = {product.name: product.stamp for product in job.products()}
            anew = anew and not record.stamps_match(delivery, stamps)
        if delivery.state is DeliveryState.WITHDRAWN:
            anew = again
        if anew:
            ended = read_metadata(folder).ended
            delivery.deadline = ended + timedelta(hours=config.deadline_hours)
            delivery.state = DeliveryState.WAITING
            delivery.next_try = None
            delivery.failures = 0
            delivery.receipt = None
            delivery.created = datetime.now(UTC)
            self._store(job, "submitted", by)
            note_life(folder)
        return job

    async def _schedule(self) -> None:
        while True:
            self._wake.clear()
            now = datetime.now(UTC)
            busy = {self._jobs[name].config.id for name in self._running}
            ready = [
                job
                for name, job in self._jobs.items()
                if name not in self._running and job.due(now)
            ]
            for job in sorted(ready, key=lambda job: job.delivery.deadline):
                if len(self._running) >= self._side_by_side:
                    break
                if job.config.id not in busy:
                    busy.add(job.config.id)
                    self._begin(job)
            waits = [
                seconds_until(job.delivery.next_try)
                for name, job in self._jobs.items()
                if name not in self._running and job.delivery.next_try and not job.due(now)
            ]
            try:
                async with asyncio.timeout(min(waits, default=3600.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _begin(self, job: Job) -> None:
        name = job.delivery.id
        task = asyncio.create_task(self._try(job), name=f"delivery {name}")
        self._running[name] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(name, None)
            self._wake.set()

        task.add_done_callback(ended)

    # -- one try ------------------------------------------------------------------------------

    async def _try(self, job: Job) -> None:
        delivery = job.delivery
        with record.locked(job.folder, delivery.target) as mine:
            if not mine:
                delivery.next_try = datetime.now(UTC) + timedelta(seconds=self._backoff.first)
                return
            delivery.attempts += 1
            delivery.detail = delivery.remedy = ""
            delivery.next_try = None
            self._enter(job, DeliveryState.SENDING)
            job.pace = Pace()
            shipment: Shipment | None = None
            try:
                permitted(job.folder, needs_consent=job.config.needs_consent)
                products = job.products()
                shipment = self._pack(job, products)
                receipt = await self._exchange(job, shipment)
                delivery.stamps = {product.name: product.stamp for product in products}
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

    async def _exchange(self, job: Job, shipment: Shipment) -> Receipt:
        async with targets.create(job.config) as target:
            if job.delivery.attempts > 1:
                self._enter(job, DeliveryState.VERIFYING)
                if (receipt := await _ask(target, shipment)) is not None:
                    return receipt
                self._enter(job, DeliveryState.SENDING)
            await target.send(shipment)
            self._enter(job, DeliveryState.VERIFYING)
            return await target.verify(shipment)

    def _pack(self, job: Job, products: Sequence[Product]) -> Shipment:
        async def save() -> None:
            await asyncio.to_thread(record.store, job.folder, job.delivery)

        def progress() -> None:
            job.delivery.sent_bytes = shipment.arrived
            if job.pace.moved(shipment.sent, shipment.total - shipment.arrived):
                self._changed(job)

        shipment = Shipment(
            job.folder,
            read_metadata(job.folder),
            products,
            notes=job.delivery.notes,
            save=save,
            throttles=(self._throttle, self._throttles[job.config.id]),
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
        self._store(job, f"verified by {receipt.how}")
        self._changed(job)

    def _failed(self, job: Job, error: TargetError, shipment: Shipment | None) -> None:
        delivery, backoff = job.delivery, self._backoff
        moved = shipment is not None and shipment.sent > 0
        now = datetime.now(UTC)
        delivery.detail, delivery.remedy = error.message, error.remedy
        delivery.failures = 0 if moved else delivery.failures + 1
        old = now - delivery.created > timedelta(days=backoff.give_up_days)
        if error.kind is ErrorKind.PERMANENT or (old and error.kind is not ErrorKind.BLOCKED):
            delivery.state, delivery.next_try = DeliveryState.FAILED, None
            delivery.remedy = error.remedy or "Look into the cause, then retry the delivery."
        elif error.kind is ErrorKind.BLOCKED:
            delivery.state = DeliveryState.FAILED
            delivery.next_try = now + timedelta(seconds=error.retry_after or backoff.blocked)
        else:
            waiting = error.kind is ErrorKind.WAIT
            delivery.state = DeliveryState.VERIFYING if waiting else DeliveryState.RETRYING
            wait = backoff.after(delivery.failures, backoff.poll_longest if waiting else None)
            delivery.next_try = now + timedelta(seconds=max(wait, error.retry_after or 0))
        self._store(job, error.message)
        self._changed(job)

    def _enter(self, job: Job, state: DeliveryState) -> None:
        job.delivery.state = state
        self._store(job, durable=False)
        self._changed(job)

    def _store(self, job: Job, what: str = "", by: str = "", *, durable: bool = True) -> None:
        if what:
            job.delivery.tell(what, by)
        try:
            record.store(job.folder, job.delivery, durable=durable)
        except FileNotFoundError:
            self._jobs.pop(job.delivery.id, None)  # the recording was erased meanwhile

    def _changed(self, job: Job) -> DeliveryStatus:
        status = job.status()
        self._on_change(status)
        return status


async def _ask(target: Target, shipment: Shipment) -> Receipt | None:
    try:
        return await target.verify(shipment)
    except TargetError as error:
        if error.kind is ErrorKind.ABSENT:
            return None
        raise


__all__ = ["Backoff", "DeliveryStatus", "DeliveryWorker"]

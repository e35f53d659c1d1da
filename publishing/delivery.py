"""The durable job that brings a recording to a target, however long it takes.

A delivery survives anything: its state lives in the recording folder, each try begins by asking
the target what it already holds, and only the target's own answer makes it `verified`. A try ends
at the first fault; the next one goes on from there. There is no other retry anywhere below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from publishing import record
from publishing.ahead import Ahead, new_delivery
from publishing.attempt import Attempts
from publishing.bandwidth import Throttle
from publishing.capture_agent import AgentTeller
from publishing.errors import ErrorKind, TargetError
from publishing.job import (
    ACTIVE,
    DONE,
    RESTING,
    Backoff,
    DeliveryStatus,
    Job,
    note_life,
    seconds_until,
)
from publishing.metadata import read_manifest, read_metadata
from publishing.record import Delivery, DeliveryState, Goal
from publishing.settings import TargetConfig, Window
from recorder.recording import MANIFEST


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
        self._attempts = Attempts(
            backoff or Backoff(),
            Throttle(bandwidth, timezone=timezone),
            {config.id: Throttle(config.bandwidth, timezone=timezone) for config in targets},
            self._store,
            self._changed,
        )
        self._ahead = Ahead(
            root,
            targets,
            lambda name: (self._attempts.throttle, self._attempts.throttles[name]),
        )
        self._agents = AgentTeller(root, targets)
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._scheduler: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up every delivery that the folders under `root` still know of."""
        for manifest in sorted(self._root.glob(f"*/{MANIFEST}")):
            self.adopt(manifest.parent)
        self._scheduler = asyncio.create_task(self._schedule(), name="deliveries")
        self._ahead.start()
        self._agents.start()

    async def stop(self) -> None:
        """Stop where it is; everything goes on from there at the next start."""
        await self._ahead.stop()
        await self._agents.stop()
        tasks = [*self._running.values()]
        if self._scheduler:
            tasks.append(self._scheduler)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()
        self._scheduler = None

    def adopt(self, folder: Path) -> None:
        """Take up the deliveries that one recording's folder knows of."""
        for delivery in record.all_of(folder):
            if delivery.id not in self._jobs:
                self._adopt(folder, delivery)

    async def taken_back(self, folder: Path) -> None:
        """One try at whatever of this recording is to be taken back, in the foreground."""
        for job in self._of(folder):
            if job.delivery.goal is not Goal.DELIVER and job.delivery.state not in RESTING:
                await self._attempts.make(job)

    def submit(
        self, recording_folder: Path, target_id: str, *, by: str = "", again: bool = False
    ) -> DeliveryStatus:
        """Deliver this recording to this target; asking twice is one delivery.

        A verified delivery whose products have changed since is delivered anew, also when they
        changed while it was sent. One that was withdrawn stays so unless a person asks with
        `again`. Raises TargetError when the target or the recording is unknown.
        """
        job = self._open(recording_folder, target_id, by=by, again=again)
        self._jobs[job.delivery.id] = job
        job.submitted_meanwhile = job.delivery.id in self._running
        self._wake.set()
        return self._changed(job)

    def retry(self, delivery_id: str) -> DeliveryStatus:
        """Try now, whatever was in the way. Raises KeyError for an unknown delivery."""
        job = self._jobs[delivery_id]
        if delivery_id not in self._running and job.delivery.state not in DONE:
            job.delivery.created = datetime.now(UTC)
            self._wake_job(job, "asked to try again")
            self._wake.set()
        return self._changed(job)

    def statuses(self) -> list[DeliveryStatus]:
        """Every delivery that is known, the most urgent first."""
        jobs = sorted(self._jobs.values(), key=lambda job: job.delivery.deadline)
        return [job.status() for job in jobs]

    def of(self, folder: Path) -> list[DeliveryStatus]:
        """The deliveries of one recording."""
        return [job.status() for job in self._of(folder)]

    async def deliver_once(
        self, folder: Path, target_id: str, *, tries: int | None = None
    ) -> DeliveryStatus:
        """Deliver in the foreground until it is verified, has failed, or `tries` are used up."""
        job = self._open(folder, target_id)
        while job.delivery.state not in DONE:
            await self._attempts.make(job)
            if tries is not None:
                tries -= 1
            if job.delivery.state in (*RESTING, DeliveryState.FAILED) or tries == 0:
                break
            await asyncio.sleep(seconds_until(job.delivery.next_try))
        return job.status()

    # -- what people decide -------------------------------------------------------------------

    async def hold(self, folder: Path, *, by: str = "") -> list[DeliveryStatus]:
        """Stop this recording's deliveries, and take back what those under way have left.

        Their targets are asked until they have confirmed it. What was verified stays there.
        """
        held = []
        await self._ahead.stop()
        self.adopt(folder)
        for job in self._of(folder):
            delivery = job.delivery
            if delivery.state in DONE or delivery.goal is Goal.WITHDRAW:
                continue
            await self._halt(job)
            if (delivery.attempts or delivery.notes) and delivery.state is not DeliveryState.HELD:
                delivery.goal = Goal.RECALL
                delivery.state, delivery.next_try = DeliveryState.WITHDRAWING, None
            else:
                delivery.state, delivery.next_try = DeliveryState.HELD, None
            delivery.detail = delivery.remedy = ""
            self._store(job, "held", by)
            held.append(self._changed(job))
        if self._scheduler is not None:
            self._ahead.start()
        self._wake.set()
        return held

    async def release(self, folder: Path, *, by: str = "") -> list[DeliveryStatus]:
        """Let the deliveries of this recording go on that were held."""
        released = []
        for job in self._of(folder):
            if job.delivery.goal is Goal.RECALL or job.delivery.state is DeliveryState.HELD:
                await self._halt(job)
                job.delivery.goal = Goal.DELIVER
                self._wake_job(job, "released", by)
                released.append(self._changed(job))
        return released

    async def pause(self, folder: Path) -> None:
        """Stop what is being sent of this recording, because its files are about to change."""
        for job in self._of(folder):
            if job.delivery.id in self._running and job.delivery.goal is Goal.DELIVER:
                await self._halt(job)
                self._wake_job(job)

    async def ask_back(self, folder: Path, target_id: str, *, by: str = "") -> DeliveryStatus:
        """Take a publication back; the target is asked until it has confirmed it.

        Raises TargetError when there is no such target.
        """
        job = self._open(folder, target_id, anew=False)
        await self._halt(job)
        self._jobs[job.delivery.id] = job
        if job.delivery.state is not DeliveryState.WITHDRAWN:
            job.delivery.goal = Goal.WITHDRAW
            self._wake_job(job, "asked to withdraw", by)
        return self._changed(job)

    async def withdraw(self, folder: Path, target_id: str, *, by: str = "") -> DeliveryStatus:
        """Take a publication back in the foreground. Raises TargetError when it cannot be."""
        job = self._open(folder, target_id, anew=False)
        await self._halt(job)
        self._jobs[job.delivery.id] = job
        job.delivery.goal = Goal.WITHDRAW
        with record.locked(folder, target_id) as mine:
            if not mine:
                raise TargetError(
                    ErrorKind.RETRY, "Another process works on this delivery.", "Try again shortly."
                )
            await self._attempts.take_back(job, by)
        note_life(folder)
        return job.status()

    def forget(self, folder: Path) -> None:
        """This recording is gone."""
        for job in self._of(folder):
            if task := self._running.pop(job.delivery.id, None):
                task.cancel()
            del self._jobs[job.delivery.id]

    def _of(self, folder: Path) -> list[Job]:
        return [job for job in self._jobs.values() if job.folder == folder]

    async def _halt(self, job: Job) -> None:
        if (task := self._running.pop(job.delivery.id, None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _wake_job(self, job: Job, what: str = "", by: str = "") -> None:
        delivery = job.delivery
        deliver = delivery.goal is Goal.DELIVER
        delivery.state = DeliveryState.WAITING if deliver else DeliveryState.WITHDRAWING
        delivery.next_try = None
        delivery.failures = 0
        self._store(job, what, by)
        self._wake.set()

    # -- jobs ---------------------------------------------------------------------------------

    def _adopt(self, folder: Path, delivery: Delivery) -> None:
        config = self._configs.get(delivery.target)
        if config is None:
            return
        if delivery.state in (*ACTIVE, DeliveryState.HELD):
            delivery.state = DeliveryState.WAITING  # what held it may have changed meanwhile
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
        job = Job(folder, config, record.load(folder, target_id) or new_delivery(folder, config))
        delivery = job.delivery
        if delivery.state is DeliveryState.VERIFIED:
            stamps = job.stamps(job.products())
            anew = anew and not record.stamps_match(delivery, stamps)
        if delivery.goal is Goal.WITHDRAW:
            anew = again
        if anew:
            delivery.goal = Goal.DELIVER
            ended = read_metadata(folder).ended
            delivery.deadline = ended + timedelta(hours=config.deadline_hours)
            delivery.state = DeliveryState.WAITING
            delivery.next_try = None
            delivery.failures = 0
            if not job.pruned:  # else it tells where the only copy is
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
        task = asyncio.create_task(self._attempts.make(job), name=f"delivery {name}")
        self._running[name] = task

        def ended(_: asyncio.Task[None]) -> None:
            self._running.pop(name, None)
            self._wake.set()
            if job.submitted_meanwhile and job.delivery.state is DeliveryState.VERIFIED:
                with suppress(TargetError):  # the recording is gone, and so is what it asked for
                    self.submit(job.folder, job.config.id)

        task.add_done_callback(ended)

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


__all__ = ["Backoff", "DeliveryStatus", "DeliveryWorker"]

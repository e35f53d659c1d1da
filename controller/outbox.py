"""What leaves the room: finished recordings handed to their targets, and how that goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from controller import health
from controller.errors import ClassroomError
from controller.health import AlarmBoard
from controller.state import DeliveryView
from publishing.target import TargetConfig, TargetError

if TYPE_CHECKING:
    from publishing.delivery import DeliveryStatus, DeliveryWorker

_log = structlog.get_logger(__name__)


class Outbox:
    """The deliveries as the doors see them; `targets` are those of room.toml.

    `waits` is asked for each recording that is finished: True when it is submitted later.
    `arrived` is told a recording's id and where one of its deliveries can be seen.
    """

    def __init__(
        self, worker: DeliveryWorker | None, targets: Sequence[TargetConfig], alarms: AlarmBoard
    ) -> None:
        self._worker = worker
        self._targets = targets
        self._alarms = alarms
        self.waits: Callable[[Path], bool] = lambda folder: False
        self.arrived: Callable[[str, str], None] = lambda recording, place: None

    def views(self) -> list[DeliveryView]:
        """Every delivery that is known."""
        return [view(status) for status in self._worker.statuses()] if self._worker else []

    def take(self, status: DeliveryStatus) -> DeliveryView:
        """A delivery has changed: keep its alarm right and say how it is shown."""
        shown = view(status)
        self._alarms.set(f"delivery.{shown.id}", health.delivery(shown), shown.recording)
        if shown.state == "verified" and shown.receipt:
            self.arrived(shown.recording, str(shown.receipt.get("place", "")))
        return shown

    def hand_over(self, folder: Path) -> None:
        """A recording is finished: it goes to its targets, now or when production is over.

        Where it began to go during class, the lecture as recorded goes on at once; what production
        makes of it takes its place.
        """
        if not self.waits(folder):
            self.submit(folder)
        else:
            self.submit(folder, begun=True)

    def submit(self, folder: Path, *, begun: bool = False) -> None:
        """Submit a finished recording to every target with `auto`; twice is once.

        `begun`: only to those to which it goes during class.
        """
        if self._worker is None:
            return
        for target in self._targets:
            if not target.auto or (begun and not target.during_class):
                continue
            alarm = f"handover.{folder.name}.{target.id}"
            try:
                self._worker.submit(folder, target.id)
            except TargetError as error:
                _log.warning("not_submitted", target=target.id, error=str(error))
                words = health.Words("warning", "admin", error.message, error.remedy)
                self._alarms.set(alarm, words, target.id)
            else:
                self._alarms.set(alarm, None)

    def of(self, recording: str) -> list[DeliveryView]:
        """The deliveries of one recording."""
        return [one for one in self.views() if one.recording == recording]

    async def hold(self, folder: Path, by: str) -> None:
        """Stop the recording's deliveries and recall those under way."""
        if self._worker is not None:
            await self._worker.hold(folder, by=by)

    async def release(self, folder: Path, by: str) -> None:
        """Let the recording's deliveries go on."""
        if self._worker is not None:
            await self._worker.release(folder, by=by)

    async def pause(self, folder: Path) -> None:
        """The recording's files are about to change."""
        if self._worker is not None:
            await self._worker.pause(folder)

    async def ask_back(self, folder: Path, target: str, by: str) -> None:
        """Have a target take the recording back."""
        try:
            await self._need().ask_back(folder, target, by=by)
        except TargetError as error:
            raise ClassroomError("not_ready", error.message, error.remedy) from error

    def again(self, folder: Path, by: str = "") -> None:
        """The recording has changed: every target that has it gets it anew, and no other."""
        if self._worker is None:
            return
        for known in self._worker.of(folder):
            if known.state not in ("withdrawn", "withdrawing"):
                try:
                    self._worker.submit(folder, known.target, by=by)
                except TargetError as error:
                    _log.warning("not_submitted", target=known.target, error=str(error))

    def publish(self, folder: Path, target: str, by: str = "") -> DeliveryView:
        """Submit by hand, also what was withdrawn."""
        if all(known.id != target for known in self._targets):
            raise ClassroomError(
                "unknown_target",
                f"There is no target {target!r} in this room.",
                "Choose one of the configured targets.",
                404,
            )
        try:
            return view(self._need().submit(folder, target, by=by, again=True))
        except TargetError as error:
            raise ClassroomError("not_ready", error.message, error.remedy) from error

    def retry(self, delivery: str) -> DeliveryView:
        """Try again now, whatever was in the way."""
        try:
            return view(self._need().retry(delivery))
        except KeyError:
            raise ClassroomError(
                "unknown_delivery",
                f"There is no delivery {delivery!r}.",
                "The list of deliveries has their ids.",
                404,
            ) from None

    def _need(self) -> DeliveryWorker:
        if self._worker is None:
            raise ClassroomError(
                "no_deliveries",
                "This room delivers nothing.",
                "Add a target under [[publish]] in room.toml.",
            )
        return self._worker


def view(status: DeliveryStatus) -> DeliveryView:
    """A delivery's state in the doors' words."""
    known = status.model_dump(mode="json", include=set(DeliveryView.model_fields))
    return DeliveryView.model_validate(known)

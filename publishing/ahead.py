"""Sending begins during class: what of the growing lecture is already final goes ahead.

The program writes the lecture as a file that only grows; its close changes 16 bytes at the
beginning and adds an index at the end. So everything but the first piece can go while the class
runs, into an upload that nobody sees until it is finished. Whether the class may be published is
asked before every piece: consent must have been noted, and no one may hold it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from publishing import record, targets
from publishing.bandwidth import Throttle
from publishing.errors import ErrorKind, TargetError
from publishing.metadata import read_manifest, read_metadata
from publishing.products import Kind, Product
from publishing.record import Delivery
from publishing.settings import TargetConfig
from publishing.shipment import Shipment
from recorder.recording import LECTURE, MANIFEST, PRODUCTS, Life

_log = logging.getLogger(__name__)
_GROWING = f"{PRODUCTS}/parts/lecture-*.mp4"
_NEWEST = 3
LOOK_S = 3.0
_AFTER_FAULT_S = 30.0


def growing(folder: Path) -> Product | None:
    """The lecture as it stands; None when there is none, or it will be joined of several parts."""
    found = sorted(folder.glob(_GROWING))
    if len(found) != 1:
        return None
    try:
        stat = found[0].stat()
    except FileNotFoundError:
        return None
    return Product(LECTURE, Kind.LECTURE, found[0], stat.st_size, stat.st_mtime_ns, "video/mp4")


def may_go_ahead(folder: Path) -> bool:
    """Whether the class is being recorded, and may be published for all that is known now."""
    manifest, _ = read_manifest(folder)
    if manifest.life is not Life.RECORDING or manifest.held is not None:
        return False
    words = read_metadata(folder)
    return words.publish and words.consent is True


def new_delivery(folder: Path, config: TargetConfig) -> Delivery:
    """A delivery that has not begun; its deadline counts from now until the class is over."""
    manifest, _ = read_manifest(folder)
    return Delivery(
        id=f"{manifest.id}.{config.id}",
        recording=manifest.id,
        target=config.id,
        created=datetime.now(UTC),
        deadline=datetime.now(UTC) + timedelta(hours=config.deadline_hours),
    )


class Ahead:
    """Follows the class that is on for every target with `during_class`."""

    def __init__(
        self,
        root: Path,
        configs: Sequence[TargetConfig],
        throttles: Callable[[str], Sequence[Throttle]],
        *,
        every_s: float = LOOK_S,
    ) -> None:
        self._root = root
        self._configs = [config for config in configs if config.during_class]
        self._throttles = throttles
        self._every_s = every_s
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow classes; nothing is done where no target wants it."""
        self._tasks = [
            asyncio.create_task(self._follow(config), name=f"ahead {config.id}")
            for config in self._configs
        ]

    async def stop(self) -> None:
        """Stop where it is; what was sent counts for the delivery after class."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, config: TargetConfig) -> None:
        while True:
            wait = self._every_s
            try:
                for folder in self._on():
                    await self.round(folder, config)
            except TargetError as error:
                _log.info("%s: sending ahead waits: %s", config.id, error.message)
                wait = max(wait, error.retry_after or _AFTER_FAULT_S)
            except OSError as error:
                _log.info("%s: sending ahead waits: %s", config.id, error)
                wait = _AFTER_FAULT_S
            except Exception:
                _log.exception("sending ahead to %s", config.id)
                wait = _AFTER_FAULT_S
            await asyncio.sleep(wait)

    def _on(self) -> list[Path]:
        """The folders that are being recorded; names begin with the date."""
        newest = sorted(self._root.glob(f"*/{MANIFEST}"), reverse=True)[:_NEWEST]
        found = []
        for path in newest:
            with suppress(TargetError):
                if may_go_ahead(path.parent):
                    found.append(path.parent)
        return found

    async def round(self, folder: Path, config: TargetConfig) -> None:
        """Send what has become final since the last round. Raises TargetError."""
        lecture = growing(folder)
        if lecture is None or not targets.kind(config.target).goes_ahead:
            return
        with record.locked(folder, config.id) as mine:
            if not mine:
                return
            delivery = record.load(folder, config.id) or new_delivery(folder, config)

            async def save() -> None:
                await asyncio.to_thread(record.store, folder, delivery)

            shipment = Shipment(
                folder,
                read_metadata(folder),
                [],
                notes=delivery.notes,
                save=save,
                throttles=self._throttles(config.id),
                on_progress=lambda: self._watch(folder),
            )
            async with targets.create(config) as target:
                await target.ahead(shipment, lecture)

    def _watch(self, folder: Path) -> None:
        """Asked between pieces, so that a hold stops at once what is being sent."""
        if not may_go_ahead(folder):
            raise TargetError(ErrorKind.RETRY, "The class is over, or may not be published now.")

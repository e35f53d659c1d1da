"""A link in memory between a driver and a simulated device: the whole wire without a wire."""

from __future__ import annotations

import asyncio

from devices.far_end import FarEnd, Piece
from devices.simulated import SimulatedDevice
from devices.transports.link import Link, LinkError
from firmware_profiles.wire import Session


class MemoryLink(Link):
    """Leads to `device`; `datagram` as the transport that it stands for."""

    def __init__(
        self, device: SimulatedDevice, session: Session, *, datagram: bool = False
    ) -> None:
        super().__init__()
        self.datagram = datagram
        self.device, self._session = device, session
        self._far: FarEnd | None = None
        self._task: asyncio.Task[None] | None = None
        self._out: asyncio.Queue[Piece | None] = asyncio.Queue()

    @property
    def address(self) -> str:
        return f"memory://{self.device.profile.name}"

    async def open(self) -> None:
        if not self.device.takes_connections():
            raise LinkError("connection refused")
        self._out = asyncio.Queue()
        self._far = FarEnd(self.device, self._session, datagram=self.datagram)
        self.lost = None
        for piece in self._far.open(lambda data: self._out.put_nowait((0.0, data))):
            self._out.put_nowait(piece)
        for body in self.device.announcements():
            self._out.put_nowait((0.0, body))
        self._task = asyncio.create_task(self._deliver(), name=self.address)

    async def _deliver(self) -> None:
        while (piece := await self._out.get()) is not None:
            delay, data = piece
            if delay:
                await asyncio.sleep(delay)
            self.on_data(data)
        self.cut("the device closed the connection")

    async def write(self, data: bytes) -> None:
        if self._far is None or self.lost is not None:
            raise LinkError(self.lost or "not connected")
        for piece in self._far.received(data):
            self._out.put_nowait(piece)
        if self._far.closing:
            self._out.put_nowait(None)

    async def start_tls(self) -> None:
        """Nobody listens in memory."""

    def cut(self, why: str = "cut") -> None:
        """Lose the connection as if the cable were pulled."""
        if self._far is not None:
            self._far.close()
            self._far = None
        self._gone(why)

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        if self._far is not None:
            self._far.close()
            self._far = None
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

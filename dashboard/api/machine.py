"""The machine that the room runs on, and the recorder at work on it, for a technician."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import BaseModel

from controller.disk_health import DiskHealth, DiskProbe
from controller.recorder_health import RecordingHealth
from dashboard.room import Room, Technician

router = APIRouter(tags=["console"])
_BEGAN = time.monotonic()


class HealthView(BaseModel):
    """The machine that the room runs on. Sizes are bytes, times seconds.

    `disk` is the one that recordings go to; less than `reserve_bytes` must not be left on it.
    """

    version: str
    python: str
    machine: str
    up_s: float
    load: float
    cores: int
    memory_bytes: int
    disk: DiskHealth
    reserve_bytes: int
    clock_synchronised: bool | None
    trouble: str


@router.get("/health")
async def health(request: Request, room: Room, _: Technician) -> HealthView:
    """Disk, memory, load, clock and versions."""
    probe: DiskProbe = request.app.state.disk
    file = request.app.state.room_file
    return HealthView(
        version=request.app.version,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.release()} {platform.machine()}",
        up_s=time.monotonic() - _BEGAN,
        load=os.getloadavg()[0],
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        disk=await asyncio.to_thread(probe.look),
        reserve_bytes=int(room.config.storage.reserve_gb * 1e9),
        clock_synchronised=_synchronised(),
        trouble=file.trouble if file is not None else "",
    )


@router.get("/recorder")
async def recorder(room: Room, _: Technician) -> RecordingHealth:
    """How recording goes: the encoder, each source's clock and losses, how long the disk lasts."""
    return room.recorder_health.view()


def _memory() -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _synchronised() -> bool | None:
    """As systemd-timesyncd or chrony say it; None where neither does."""
    folder = Path("/run/systemd/timesync")
    if folder.is_dir():
        return (folder / "synchronized").exists()
    return None

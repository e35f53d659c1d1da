"""Wake-on-LAN: six 0xFF and sixteen times the MAC address, by UDP broadcast to port 9."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


def magic_packet(mac: str) -> bytes:
    """The 102 bytes for `aa:bb:cc:dd:ee:ff`. Raises ValueError for anything else."""
    digits = re.sub(r"[:.-]", "", mac)
    if not re.fullmatch(r"[0-9A-Fa-f]{12}", digits):
        raise ValueError(f"{mac!r} is no MAC address: write aa:bb:cc:dd:ee:ff")
    return b"\xff" * 6 + bytes.fromhex(digits) * 16


async def wake_on_lan(mac: str, broadcast: str | None = None, port: int = 9) -> None:
    """Send the packet; `broadcast` is the directed broadcast address of the device's network."""
    packet = magic_packet(mac)

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.sendto(packet, (broadcast or "255.255.255.255", port))

    await asyncio.to_thread(send)


async def wake_device(options: Mapping[str, Any]) -> None:
    """Wake the device whose `mac` (and `broadcast`) option says how; never raises."""
    if mac := options.get("mac"):
        with suppress(OSError, ValueError):
            await wake_on_lan(str(mac), options.get("broadcast"))

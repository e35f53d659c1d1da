"""Says on the local network that a room is here (`_classroomd._tcp`), when others can reach it."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from urllib.parse import urlsplit

from classroomd import __version__
from controller.config import RoomConfig

log = logging.getLogger(__name__)


def reachable(host: str) -> bool:
    """Can other machines reach a server that listens on `host`?"""
    with contextlib.suppress(ValueError):
        return not ipaddress.ip_address(host).is_loopback
    return host != "localhost"


async def announce(config: RoomConfig, url: str, keep: contextlib.AsyncExitStack) -> None:
    """Announce the room at `url` until `keep` is closed; a network without multicast is logged."""
    if not config.server.announce or not reachable(config.server.host):
        return
    from devices.discovery.mdns import Announcement

    address = config.server.host
    own = [address] if address not in ("0.0.0.0", "::", "") and address[:1].isdigit() else None  # noqa: S104
    port = urlsplit(url).port or config.server.port
    told = {"room": config.room.id, "name": config.room.name, "version": __version__, "path": "/"}
    announcement = Announcement(config.room.id, port, told, own)
    try:
        await announcement.start()
    except OSError as error:
        log.warning("the room is not announced on the network (%s)", error)
        return
    keep.push_async_callback(announcement.stop)

"""mDNS: browses for services of devices that we know, and announces this room's own."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from devices.discovery.found import Certainty, DiscoveryConfig, Found

OWN_TYPE = "_classroomd._tcp.local."
TYPES = (
    "_shelly._tcp.local.",
    "_http._tcp.local.",
    "_axis-video._tcp.local.",
    "_rtsp._tcp.local.",
    "_blackmagic._tcp.local.",
    "_airplay._tcp.local.",
    "_androidtvremote2._tcp.local.",
    "_googlecast._tcp.local.",
    "_esphomelib._tcp.local.",
    "_wled._tcp.local.",
    "_mqtt._tcp.local.",
    "_osc._udp.local.",
    "_ndi._tcp.local.",
    OWN_TYPE,
)


def classify(kind: str, name: str, txt: Mapping[str, str]) -> tuple[str, str | None, Certainty]:
    """(vendor, profile, certainty) of a service."""
    low = name.lower()
    if kind.startswith("_shelly.") or low.startswith("shelly"):
        newer = txt.get("gen", "1") >= "2"
        return "Shelly", "shelly/gen2-http" if newer else "shelly/gen1-http", "certain"
    maker = txt.get("manufacturer", "")
    if maker.lower().startswith("samsung"):
        return "Samsung", "samsung/mdc", "guess"
    if kind.startswith("_axis-video."):
        return "Axis", "onvif/ptz", "likely"
    return maker, None, "guess"


async def discover(config: DiscoveryConfig) -> AsyncIterator[Found]:
    """Services of known types, for `config.seconds`."""
    changes: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Added:
            changes.put_nowait((service_type, name))

    zeroconf = _zeroconf(config.interfaces)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, list(TYPES), handlers=[changed])
    loop = asyncio.get_running_loop()
    end = loop.time() + config.seconds
    try:
        while loop.time() < end:
            try:
                async with asyncio.timeout_at(end):
                    kind, name = await changes.get()
            except TimeoutError:
                break
            info = AsyncServiceInfo(kind, name)
            left = max(0.1, end - loop.time())
            if await info.async_request(zeroconf.zeroconf, min(3000, left * 1000)):
                for found in _found(kind, name, info):
                    yield found
    finally:
        await browser.async_cancel()
        await zeroconf.async_close()


def _found(kind: str, name: str, info: AsyncServiceInfo) -> list[Found]:
    txt = {
        key.decode("utf-8", "replace"): (value or b"").decode("utf-8", "replace")
        for key, value in info.properties.items()
    }
    label = name.removesuffix("." + kind)
    vendor, profile, certainty = classify(kind, label, txt)
    addresses = info.parsed_addresses(IPVersion.V4Only)
    service = kind.removesuffix(".local.")
    return [
        Found(
            transport=_transport(profile, address, info.port or 0),
            how="mDNS",
            name=label,
            vendor=vendor,
            model=txt.get("model", txt.get("app", "")),
            firmware=txt.get("ver", txt.get("srcvers", "")),
            mac=txt.get("mac", txt.get("deviceid", "")).lower(),
            profile=profile,
            certainty=certainty,
            detail=service,
        )
        for address in addresses[:1]
    ]


def _transport(profile: str | None, address: str, port: int) -> str:
    """Where the profile's protocol is spoken: the port announced is often another one's."""
    if profile is None:
        return f"tcp://{address}:{port}"
    if profile.startswith("shelly/"):
        return f"http://{address}" if port == 80 else f"http://{address}:{port}"
    return f"onvif://{address}" if profile.startswith("onvif/") else f"tcp://{address}"


class Announcement:
    """Says on the network that this room is here: `_classroomd._tcp`, with room and version."""

    def __init__(
        self,
        room: str,
        port: int,
        properties: Mapping[str, str],
        interfaces: list[str] | None = None,
    ) -> None:
        self._room, self._port = room, port
        self._properties, self._interfaces = dict(properties), interfaces or []
        self._zeroconf: AsyncZeroconf | None = None
        self._info: AsyncServiceInfo | None = None

    async def start(self) -> None:
        """Announce. Raises OSError when multicast isn't possible here."""
        zeroconf = _zeroconf(self._interfaces)
        addresses = [a for a in self._interfaces if _is_ipv4(a)] or _own_addresses()
        self._info = AsyncServiceInfo(
            OWN_TYPE,
            f"{self._room}.{OWN_TYPE}",
            port=self._port,
            addresses=[socket.inet_aton(address) for address in addresses],
            properties=self._properties,
            server=f"{self._room}.local.",
        )
        self._zeroconf = zeroconf
        await zeroconf.async_register_service(self._info, allow_name_change=True)

    async def stop(self) -> None:
        """Say goodbye."""
        if self._zeroconf is not None and self._info is not None:
            said = await self._zeroconf.async_unregister_service(self._info)
            await said
            await self._zeroconf.async_close()
            self._zeroconf = None


def _zeroconf(interfaces: list[str]) -> AsyncZeroconf:
    options: dict[str, Any] = {"interfaces": interfaces} if interfaces else {}
    return AsyncZeroconf(ip_version=IPVersion.V4Only, **options)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _own_addresses() -> list[str]:
    """The address that this machine would use outwards; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
        except OSError:
            return ["127.0.0.1"]
        return [str(sock.getsockname()[0])]

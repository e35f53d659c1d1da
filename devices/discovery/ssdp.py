"""SSDP: `M-SEARCH` by multicast; what answers names itself in headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from devices.discovery.datagrams import ask_all
from devices.discovery.found import DiscoveryConfig, Found

GROUP = "239.255.255.250"
_QUESTION = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 2\r\nST: ssdp:all\r\n\r\n'
)
KNOWN = {
    "urn:schemas-sony-com:service:ScalarWebAPI:1": ("Sony", "sony/simple-ip"),
    "urn:lge-com:service:webos-second-screen:1": ("LG", "lg/display"),
    "urn:samsung.com:device:RemoteControlReceiver:1": ("Samsung", None),
}


def headers(data: bytes) -> dict[str, str]:
    """The headers of an answer by lower-case name; empty when it is none."""
    first, *lines = data.decode("utf-8", "replace").split("\r\n")
    if not first.upper().startswith("HTTP/1.1 200"):
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


async def discover(config: DiscoveryConfig) -> AsyncIterator[Found]:
    """Televisions and displays that announce a service known to be theirs."""
    seen: set[tuple[str, str]] = set()
    targets = [(GROUP, config.ssdp_port)]
    async for data, host in ask_all(
        _QUESTION, targets, config.seconds, multicast_from=config.interfaces
    ):
        said = headers(data)
        service = said.get("st", "")
        if service not in KNOWN or (host, service) in seen:
            continue
        seen.add((host, service))
        vendor, profile = KNOWN[service]
        where = urlsplit(said.get("location", "")).hostname
        yield Found(
            transport=f"tcp://{host}",
            how="SSDP",
            vendor=vendor,
            model=said.get("server", "")[:80],
            profile=profile,
            certainty="likely" if profile else "guess",
            detail=service if where in (None, host) else f"{service} at {where}",
        )

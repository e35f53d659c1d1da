"""Serial ports: what the adapter is (VID/PID), then what answers safe queries on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from serial.tools import list_ports

from devices.discovery.found import DiscoveryConfig, Found
from devices.discovery.identify import candidates, identify
from firmware_profiles.catalog import Catalog

ADAPTERS = {
    (0x0403, 0x6001): "FTDI FT232R",
    (0x0403, 0x6010): "FTDI FT2232",
    (0x0403, 0x6015): "FTDI FT-X",
    (0x067B, 0x2303): "Prolific PL2303",
    (0x067B, 0x23A3): "Prolific PL2303GS",
    (0x10C4, 0xEA60): "Silicon Labs CP210x",
    (0x1A86, 0x7523): "WCH CH340",
    (0x1A86, 0x55D4): "WCH CH9102",
    (0x2548, 0x1002): "Pulse-Eight HDMI-CEC",
}


async def discover(
    config: DiscoveryConfig, catalog: Catalog | None = None, ports: list[str] | None = None
) -> AsyncIterator[Found]:
    """Every serial port with its adapter; with the profile that its device answers to, if any.

    `ports` overrides the system's list (ports that the system doesn't list, such as PTYs).
    """
    listed = {port.device: port for port in await asyncio.to_thread(list_ports.comports)}
    for device in ports if ports is not None else sorted(listed):
        port = listed.get(device)
        adapter = ""
        if port is not None and port.vid is not None:
            known = ADAPTERS.get((port.vid, port.pid))
            adapter = known or f"USB {port.vid:04x}:{port.pid:04x} {port.description}"
        found = Found(transport=f"serial://{device}", how="serial ports", detail=adapter)
        exists = await asyncio.to_thread(Path(device).exists)
        if config.serial_probe and exists and device not in config.serial_skip:
            found = await _probe(found, config, catalog or Catalog())
        yield found


async def _probe(found: Found, config: DiscoveryConfig, catalog: Catalog) -> Found:
    async for profile in candidates(catalog, config.profiles, "serial"):
        settings = profile.transports.serial
        assert settings is not None
        transport = f"{found.transport}?baud={settings.baud}&format={settings.format}"
        identity = await identify(transport, profile)
        if identity.answered:
            return found.model_copy(
                update={
                    "transport": transport,
                    "profile": profile.name,
                    "vendor": profile.vendor,
                    "model": identity.model,
                    "firmware": identity.firmware,
                    "certainty": "certain",
                }
            )
    return found

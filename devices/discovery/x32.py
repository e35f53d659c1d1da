"""Behringer and Midas mixers: `/xinfo` by broadcast; they answer with name, model, firmware."""

from __future__ import annotations

from collections.abc import AsyncIterator

from devices.discovery.datagrams import ask_all
from devices.discovery.found import DiscoveryConfig, Found
from firmware_profiles.osc import osc_datagram, osc_text, osc_words


async def discover(config: DiscoveryConfig) -> AsyncIterator[Found]:
    """X32 and M32 on port 10023, XAir and MR on 10024."""
    targets = [
        (address, port)
        for address in config.broadcast
        for port in (config.x32_port, config.xair_port)
    ]
    async for data, host in ask_all(osc_datagram(b"/xinfo"), targets, config.seconds):
        words = osc_words((osc_text(data) or b"").decode("utf-8", "replace"))
        if len(words) >= 6 and words[0] == "/xinfo":
            name, model, firmware = words[3:6]
            small = model.upper().startswith(("XR", "X18", "MR"))
            yield Found(
                transport=f"osc://{host}",
                how="X32 search",
                name=name,
                vendor="Behringer",
                model=model,
                firmware=firmware,
                profile="behringer/xair" if small else "behringer/x32",
                certainty="certain",
            )

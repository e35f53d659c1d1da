"""PJLink class 2 search: broadcast `%2SRCH`, projectors answer `%2ACKN=<MAC>`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from devices.discovery.datagrams import ask_all
from devices.discovery.found import DiscoveryConfig, Found

_ANSWER = re.compile(rb"%2ACKN=([0-9A-Fa-f:]{17})", re.IGNORECASE)


async def discover(config: DiscoveryConfig) -> AsyncIterator[Found]:
    """Projectors of class 2 that answer a search (PJLink specification class 2, section 3.2)."""
    targets = [(address, config.pjlink_port) for address in config.broadcast]
    async for data, host in ask_all(b"%2SRCH\r", targets, config.seconds):
        if found := _ANSWER.search(data):
            yield Found(
                transport=f"tcp://{host}",
                how="PJLink search",
                mac=found[1].decode().lower(),
                profile="pjlink/class2",
                certainty="certain",
            )

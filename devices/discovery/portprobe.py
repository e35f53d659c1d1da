"""Port probe: tries the TCP ports of known protocols, inside the configured subnets only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from devices.discovery.found import DiscoveryConfig, Found
from devices.discovery.identify import candidates, identify
from firmware_profiles.catalog import Catalog
from firmware_profiles.schema import Profile

AT_ONCE = 64
CONNECT_S = 1.0


async def discover(config: DiscoveryConfig, catalog: Catalog | None = None) -> AsyncIterator[Found]:
    """Devices that answer a safe query in the protocol of an open port; open ports that don't
    are `guess`."""
    by_port: dict[int, list[Profile]] = {}
    async for profile in candidates(catalog or Catalog(), config.profiles, "tcp"):
        assert profile.transports.tcp is not None
        by_port.setdefault(profile.transports.tcp.port, []).append(profile)
    slots = asyncio.Semaphore(AT_ONCE)
    results: asyncio.Queue[Found | None] = asyncio.Queue()

    async def probe(host: str, port: int) -> None:
        async with slots:
            try:
                if await is_open(host, port):
                    await results.put(await _identified(host, port, by_port[port]))
            finally:
                results.put_nowait(None)

    jobs = [asyncio.create_task(probe(host, port)) for host in config.hosts() for port in by_port]
    try:
        left = len(jobs)
        while left:
            found = await results.get()
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def is_open(host: str, port: int) -> bool:
    """Does something listen there? Gives up after a second."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True
    return False


async def greeting(host: str, port: int) -> bytes:
    """What whoever listens there says before it is asked. Waits a second."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port)
        try:
            async with asyncio.timeout(CONNECT_S):
                return await reader.read(200)
        finally:
            writer.close()
    return b""


async def _identified(host: str, port: int, profiles: list[Profile]) -> Found:
    transport = f"tcp://{host}:{port}"
    for profile in profiles:
        identity = await identify(transport, profile)
        if identity.answered:
            return Found(
                transport=transport,
                how="port probe",
                vendor=profile.vendor,
                model=identity.model,
                firmware=identity.firmware,
                profile=profile.name,
                certainty="certain",
            )
    return Found(
        transport=transport,
        how="port probe",
        profile=profiles[0].name,
        certainty="guess",
        detail="the port is open; nothing answered (a password, perhaps)",
    )

"""All searches at once; each finding as it comes, the same device once per way of finding it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from devices.discovery import mdns, mqtt, pjlink, portprobe, serialports, ssdp, wsdiscovery, x32
from devices.discovery.found import DiscoveryConfig, Found
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog

log = logging.getLogger(__name__)


async def search(
    config: DiscoveryConfig, *, catalog: Catalog | None = None, broker: MqttLink | None = None
) -> AsyncIterator[Found]:
    """Run every search that applies. One that fails is logged and ends the others not.

    A finding whose profile this catalogue doesn't have keeps its facts and loses the profile.
    """
    known = catalog or Catalog()
    names = set(known.names())
    searches: dict[str, AsyncIterator[Found]] = {
        "mDNS": mdns.discover(config),
        "PJLink": pjlink.discover(config),
        "WS-Discovery": wsdiscovery.discover(config),
        "SSDP": ssdp.discover(config),
        "X32": x32.discover(config),
        "serial ports": serialports.discover(config, known),
    }
    if config.subnets:
        searches["port probe"] = portprobe.discover(config, known)
    if broker is not None:
        searches["MQTT"] = mqtt.discover(config, broker)
    results: asyncio.Queue[Found | None] = asyncio.Queue()

    async def run(name: str, found_by: AsyncIterator[Found]) -> None:
        try:
            async for found in found_by:
                results.put_nowait(found)
        except Exception:
            log.exception("search by %s failed", name)
        finally:
            results.put_nowait(None)

    tasks = [asyncio.create_task(run(name, found)) for name, found in searches.items()]
    seen: set[str] = set()
    try:
        left = len(tasks)
        while left:
            found = await results.get()
            if found is None:
                left -= 1
                continue
            if found.profile not in names:
                found = found.model_copy(update={"profile": None, "certainty": "guess"})
            if (key := f"{found.how} {found.key}") not in seen:
                seen.add(key)
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

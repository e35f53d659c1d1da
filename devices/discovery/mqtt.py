"""MQTT announcements: Home Assistant discovery, Tasmota, Shelly, Zigbee2MQTT."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from devices.discovery.found import DiscoveryConfig, Found
from devices.transports.mqtt import MqttLink

HOW = "MQTT announcement"


async def discover(config: DiscoveryConfig, mqtt: MqttLink) -> AsyncIterator[Found]:
    """What announces itself on the broker within `config.seconds` (most of it is retained)."""
    heard: asyncio.Queue[Found] = asyncio.Queue()

    def listen(read: Callable[[str, Any], list[Found]]) -> Callable[[str, bytes], None]:
        def handler(topic: str, payload: bytes) -> None:
            try:
                data = json.loads(payload)
            except (ValueError, RecursionError):
                data = payload.decode("utf-8", "replace")
            for found in read(topic, data):
                heard.put_nowait(found)

        return handler

    ends = [
        mqtt.subscribe("tasmota/discovery/+/config", listen(tasmota)),
        mqtt.subscribe("shellies/announce", listen(shelly_gen1)),
        mqtt.subscribe("+/online", listen(shelly_gen2)),
        mqtt.subscribe("zigbee2mqtt/bridge/devices", listen(zigbee)),
        mqtt.subscribe("homeassistant/+/+/config", listen(home_assistant)),
        mqtt.subscribe("homeassistant/+/+/+/config", listen(home_assistant)),
    ]
    loop = asyncio.get_running_loop()
    end = loop.time() + config.seconds
    seen: set[str] = set()
    try:
        while True:
            async with asyncio.timeout_at(end):
                found = await heard.get()
            if found.key not in seen:
                seen.add(found.key)
                yield found
    except TimeoutError:
        return
    finally:
        for stop in ends:
            stop()


def _text(data: Any, *keys: str) -> str:
    for key in keys:
        value = data.get(key) if isinstance(data, dict) else None
        if isinstance(value, str | int | float):
            return str(value)
    return ""


def tasmota(topic: str, data: Any) -> list[Found]:
    """`tasmota/discovery/<mac>/config`: topic, model, firmware, MAC."""
    if not (name := _text(data, "t")):
        return []
    return [
        Found(
            transport=f"mqtt://{name}",
            how=HOW,
            name=_text(data, "dn"),
            vendor="Tasmota",
            model=_text(data, "md"),
            firmware=_text(data, "sw"),
            mac=re.sub(r"(..)(?!$)", r"\1:", _text(data, "mac").lower()),
            profile="tasmota/relay",
            certainty="certain",
        )
    ]


def shelly_gen1(topic: str, data: Any) -> list[Found]:
    """`shellies/announce`: id, model, firmware."""
    if not (name := _text(data, "id")):
        return []
    return [
        Found(
            transport=f"mqtt://{name}",
            how=HOW,
            vendor="Shelly",
            model=_text(data, "model"),
            firmware=_text(data, "fw_ver"),
            mac=re.sub(r"(..)(?!$)", r"\1:", _text(data, "mac").lower()),
            profile="shelly/gen1",
            certainty="certain",
        )
    ]


def shelly_gen2(topic: str, data: Any) -> list[Found]:
    """`<id>/online` of a device whose id begins with shelly."""
    name = topic.removesuffix("/online")
    if data is not True or not name.startswith("shelly"):
        return []
    return [
        Found(
            transport=f"mqtt://{name}",
            how=HOW,
            vendor="Shelly",
            model=name.rsplit("-", 1)[0],
            profile="shelly/gen2",
            certainty="likely",
        )
    ]


def zigbee(topic: str, data: Any) -> list[Found]:
    """`zigbee2mqtt/bridge/devices`: all devices of the network in one list."""
    if not isinstance(data, list):
        return []
    found = []
    for entry in data[:500]:
        name = _text(entry, "friendly_name")
        definition = entry.get("definition") if isinstance(entry, dict) else None
        if not name or not isinstance(definition, dict):
            continue
        found.append(
            Found(
                transport=f"mqtt://{name}",
                how=HOW,
                name=name,
                vendor=_text(definition, "vendor"),
                model=_text(definition, "model"),
                firmware=_text(entry, "software_build_id"),
                profile="zigbee2mqtt/switch" if "exposes" in definition else None,
                certainty="likely",
                detail=_text(definition, "description"),
            )
        )
    return found


def home_assistant(topic: str, data: Any) -> list[Found]:
    """One entity's configuration; those with a command topic can be switched."""
    component = topic.split("/")[1]
    command = _text(data, "command_topic", "cmd_t")
    if component not in ("switch", "light") or not command:
        return []
    base = _text(data, "~")
    device = data.get("device", data.get("dev", {})) if isinstance(data, dict) else {}
    return [
        Found(
            transport=f"mqtt://{command.replace('~', base)}",
            how=HOW,
            name=_text(data, "name"),
            vendor=_text(device, "manufacturer", "mf"),
            model=_text(device, "model", "mdl"),
            firmware=_text(device, "sw_version", "sw"),
            profile="homeassistant/switch",
            certainty="likely",
            detail=topic,
        )
    ]

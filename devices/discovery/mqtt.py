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
            options={"device": name},
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
            options={"device": name},
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
                profile=_zigbee_profile(definition),
                options={"name": name},
                certainty="likely",
                detail=_text(definition, "description"),
            )
        )
    return found


def _exposed(node: Any, depth: int = 0) -> set[str]:
    """The properties that a Zigbee device has, out of the nested list."""
    if isinstance(node, list):
        return {name for entry in node[:200] for name in _exposed(entry, depth)}
    if not isinstance(node, dict) or depth > 4:
        return set()
    return {_text(node, "property")} | _exposed(node.get("features", []), depth + 1)


def _zigbee_profile(definition: dict[str, Any]) -> str | None:
    exposed = _exposed(definition.get("exposes", []))
    for name, profile in (("occupancy", "occupancy"), ("contact", "contact"), ("state", "relay")):
        if name in exposed:
            return f"zigbee2mqtt/{profile}"
    return None


HOME_ASSISTANT = {
    "switch": "switch", "light": "light", "binary_sensor": "binary-sensor", "number": "number",
    "select": "select", "cover": "cover", "sensor": "sensor",
}  # fmt: skip


def home_assistant(topic: str, data: Any) -> list[Found]:
    """One entity's configuration, or a whole device's with its components."""
    component = topic.split("/")[1]
    if not isinstance(data, dict):
        return []
    if component == "device":
        parts = data.get("components", data.get("cmps", {}))
        known = {k: data[k] for k in ("~", "device", "dev") if k in data}
        return [
            found
            for part in (list(parts.values())[:200] if isinstance(parts, dict) else [])
            if isinstance(part, dict)
            for found in _entity(topic, _text(part, "platform", "p"), {**known, **part})
        ]
    return _entity(topic, component, data)


def _entity(topic: str, component: str, data: dict[str, Any]) -> list[Found]:
    profile = HOME_ASSISTANT.get(component)
    base = _text(data, "~")
    options = {
        name: text.replace("~", base)
        for name, short in (("command_topic", "cmd_t"), ("state_topic", "stat_t"))
        if (text := _text(data, name, short))
    }
    reads = component in ("binary_sensor", "sensor")
    if profile is None or ("state_topic" if reads else "command_topic") not in options:
        return []
    if reads:
        options.pop("command_topic", None)
    device = data.get("device", data.get("dev", {}))
    plain = not _text(data, "value_template", "val_tpl")
    return [
        Found(
            transport=f"mqtt://{options.get('command_topic') or options['state_topic']}",
            how=HOW,
            name=_text(data, "name"),
            vendor=_text(device, "manufacturer", "mf"),
            model=_text(device, "model", "mdl"),
            firmware=_text(device, "sw_version", "sw"),
            profile=f"homeassistant/{profile}" if plain else None,
            options=options,
            certainty="likely" if plain else "guess",
            detail=topic if plain else f"{topic}: its value_template needs a profile of its own",
        )
    ]

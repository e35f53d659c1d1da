"""Home Assistant discovery: the room's devices as entities, described on the broker.

Source of the topics and keys: Home Assistant's MQTT discovery documentation. Entities that act are
described only where the broker itself decides who may set (`[mqtt] commands = "broker"`), because
a token must not stand in a retained message; otherwise they are shown as sensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from devices.model import CommandInfo, DeviceState


def discovery(
    prefix: str, root: str, room: str, name: str, states: list[DeviceState], *, acts: bool
) -> Iterator[tuple[str, str]]:
    """Retained (topic, payload) pairs; `root` is the room's topic, `acts` whether it may be set."""
    whole = _device(f"classroom_{room}", name, "Classroom", None)
    yield _entity(
        prefix,
        "sensor",
        room,
        "session",
        {
            "name": "Class",
            "state_topic": f"{root}/state",
            "value_template": "{{ value_json.state }}",
            "icon": "mdi:school",
        },
        whole,
        root,
    )
    for state in states:
        device = _device(
            f"classroom_{room}_{state.id}",
            state.name or state.id,
            state.model or state.profile,
            f"classroom_{room}",
        )
        for command in state.commands:
            made = _command(root, state, command) if acts else _sensor(root, state, command)
            if made is not None:
                kind, keys = made
                yield _entity(prefix, kind, room, f"{state.id}_{command.name}", keys, device, root)


def _entity(
    prefix: str,
    kind: str,
    room: str,
    name: str,
    keys: dict[str, Any],
    device: dict[str, Any],
    root: str,
) -> tuple[str, str]:
    unique = f"classroom_{room}_{name}"
    payload = keys | {
        "unique_id": unique,
        "object_id": unique,
        "device": device,
        "availability_topic": f"{root}/online",
        "origin": {"name": "classroomd"},
    }
    return f"{prefix}/{kind}/classroom_{room}/{name}/config", json.dumps(payload)


def _device(identifier: str, name: str, model: str, via: str | None) -> dict[str, Any]:
    device = {"identifiers": [identifier], "name": name, "model": model}
    return device | ({"via_device": via} if via else {})


def _command(
    root: str, state: DeviceState, command: CommandInfo
) -> tuple[str, dict[str, Any]] | None:
    keys: dict[str, Any] = {
        "name": command.name.replace("_", " "),
        "command_topic": f"{root}/devices/{state.id}/set",
        "state_topic": f"{root}/devices/{state.id}/state",
    }
    said = json.dumps(command.name)
    if command.kind == "boolean":
        on = _value(command.name)
        return "switch", keys | {
            "payload_on": f'{{"command": {said}, "value": true}}',
            "payload_off": f'{{"command": {said}, "value": false}}',
            "state_on": "ON",
            "state_off": "OFF",
            "value_template": f"{{{{ 'ON' if {on} else 'OFF' }}}}",
        }
    if command.kind == "number":
        limits = {"min": command.minimum, "max": command.maximum}
        return "number", keys | {
            "command_template": f'{{"command": {said}, "value": {{{{ value }}}}}}',
            "value_template": f"{{{{ {_value(command.name)} }}}}",
        } | {key: value for key, value in limits.items() if value is not None}
    if command.kind == "choice" and command.choices:
        return "select", keys | {
            "options": command.choices,
            "command_template": f'{{"command": {said}, "value": {{{{ value | tojson }}}}}}',
            "value_template": f"{{{{ {_value(command.name)} }}}}",
        }
    if command.kind == "action":
        del keys["state_topic"]
        return "button", keys | {"payload_press": f'{{"command": {said}}}'}
    return None


def _sensor(
    root: str, state: DeviceState, command: CommandInfo
) -> tuple[str, dict[str, Any]] | None:
    if command.kind == "action":
        return None
    keys = {
        "name": command.name.replace("_", " "),
        "state_topic": f"{root}/devices/{state.id}/state",
    }
    value = _value(command.name)
    if command.kind == "boolean":
        return "binary_sensor", keys | {
            "payload_on": "ON",
            "payload_off": "OFF",
            "value_template": f"{{{{ 'ON' if {value} else 'OFF' }}}}",
        }
    return "sensor", keys | {"value_template": f"{{{{ {value} }}}}"}


def _value(command: str) -> str:
    """Where a command's confirmed value stands in the device's state, as a template."""
    if command == "power":
        return "value_json.power in ['on', 'warming']"
    return f"value_json['values'].get({command!r})"

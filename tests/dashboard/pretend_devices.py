"""The devices of the room in memory: what they are, what they take, what went over their wires."""

from __future__ import annotations

from datetime import UTC, datetime

from devices.model import CommandInfo, DeviceState, Health, Power
from devices.traffic import Traffic

POWER = CommandInfo(name="power", capability="power", kind="boolean")
VOLUME = CommandInfo(name="volume", capability="volume", kind="number", minimum=0, maximum=100)
MUTE = CommandInfo(name="mute", capability="mute", kind="boolean")
BLANK = CommandInfo(name="blank", capability="blank", kind="boolean")
INPUT = CommandInfo(
    name="input", capability="input", kind="choice", choices=["hdmi1", "hdmi2", "usb-c"]
)
PRESET = CommandInfo(name="preset_recall", capability="preset", kind="number", minimum=0, maximum=5)
FREEZE = CommandInfo(name="freeze", capability="freeze", kind="boolean")
PAN_TILT = CommandInfo(
    name="pan_tilt",
    capability="pan-tilt-zoom",
    kind="choice",
    choices=[
        *("stop", "left", "right", "up", "down"),
        *("up_left", "up_right", "down_left", "down_right"),
    ],
)
ZOOM = CommandInfo(
    name="zoom", capability="pan-tilt-zoom", kind="choice", choices=["stop", "tele", "wide"]
)
HOME = CommandInfo(name="home", capability="pan-tilt-zoom", kind="action")
PRESET_SET = CommandInfo(
    name="preset_set", capability="preset", kind="number", minimum=0, maximum=5
)
RELAY = CommandInfo(name="relay", capability="relay", kind="boolean")


def pretend_devices() -> list[DeviceState]:
    """A display, a projector, a camera and a screen, all of them well."""
    return [
        DeviceState(
            id="display",
            name="Display",
            kind="display",
            profile="samsung/mdc",
            health=Health.ONLINE,
            power=Power.OFF,
            values={"input": "hdmi1", "volume": 20, "mute": False},
            commands=[POWER, INPUT, VOLUME, MUTE],
        ),
        DeviceState(
            id="projector",
            name="Projector",
            kind="projector",
            profile="pjlink/class1",
            health=Health.ONLINE,
            power=Power.OFF,
            commands=[POWER, INPUT, BLANK, FREEZE],
        ),
        DeviceState(
            id="camera",
            name="Camera",
            kind="camera",
            profile="visca/sony-ip",
            health=Health.ONLINE,
            power=Power.ON,
            values={"preset": 1},
            commands=[POWER, PRESET, PRESET_SET, PAN_TILT, ZOOM, HOME],
            presets={"1": "Lectern", "4": "Board on the left"},
        ),
        DeviceState(
            id="screen",
            name="Projector screen",
            kind="screen",
            profile="tasmota/relay",
            health=Health.ONLINE,
            values={"relay": False},
            commands=[RELAY],
        ),
    ]


def pretend_traffic() -> list[Traffic]:
    """A command that went out, and what was answered."""
    return [
        Traffic(time=datetime.now(UTC), direction="out", data="aa 11 fe 01 01 11", text="power=on"),
        Traffic(
            time=datetime.now(UTC),
            direction="in",
            data="aa ff fe 03 41 11 01 53",
            text="power=True",
        ),
    ]

"""The words that devices are described in: capabilities, commands, states, health."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Value = bool | int | float | str | None


class Power(StrEnum):
    """The power state machine's states."""

    UNKNOWN = "unknown"
    OFF = "off"
    WARMING = "warming"
    ON = "on"
    COOLING = "cooling"


class Health(StrEnum):
    """How well a device can be reached."""

    CONNECTING = "connecting"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"


class DeviceSpec(BaseModel):
    """One `[[devices]]` table of room.toml. `presets`: names of a camera's presets, by number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    name: str = ""
    profile: str
    transport: str
    options: dict[str, Any] = Field(default_factory=dict)
    presets: dict[str, str] = Field(default_factory=dict)


class CommandInfo(BaseModel):
    """A command as pages show it: what it is called, what it takes."""

    name: str
    capability: str
    kind: Literal["action", "boolean", "number", "choice"]
    choices: list[str] = Field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None


class DeviceState(BaseModel):
    """What is known of a device now. `warm_s`: seconds until it is ready, when it warms or cools.

    `profile` is "auto" until the device is recognised; `dialect` the variant it was found to speak.
    `values` holds confirmed states by name (input, volume, mute, preset, …); `desired` what was
    asked for and not confirmed yet.
    """

    id: str
    name: str
    kind: str
    profile: str
    dialect: str | None = None
    model: str | None = None
    firmware: str | None = None
    health: Health = Health.CONNECTING
    detail: str = ""
    power: Power = Power.UNKNOWN
    warm_s: float | None = None
    values: dict[str, Value] = Field(default_factory=dict)
    desired: dict[str, Value] = Field(default_factory=dict)
    commands: list[CommandInfo] = Field(default_factory=list)
    presets: dict[str, str] = Field(default_factory=dict)


class CommandResult(BaseModel):
    """How one command ended. `first_byte_ms`: from the call to its first byte on the wire."""

    device: str
    command: str
    value: Value = None
    outcome: Literal["confirmed", "queued", "refused", "failed", "replaced"]
    detail: str = ""
    first_byte_ms: float | None = None
    reply_ms: float | None = None

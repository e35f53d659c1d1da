"""What a profile may say: one pydantic model per table of the TOML file.

Times are seconds unless the name ends in `_ms`. A *template* is a string or table in the language
of `firmware_profiles.template`. Unknown keys are errors. `json_schema()` exports all of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from firmware_profiles.wire import Frame, Session, Table, Transports, one_or_many

Source = str | dict[str, Any]
Scalar = bool | int | float | str
PowerName = Literal["unknown", "off", "warming", "on", "cooling"]
Kind = Literal["action", "boolean", "choice", "number", "text"]
FirmwareKind = Literal[
    "display",
    "panel",
    "projector",
    "camera",
    "switcher",
    "audio",
    "microphone",
    "led-wall",
    "relay",
    "screen",
    "light",
    "sensor",
    "media",
]
Sources = Annotated[list[Source], one_or_many(Source)]


class Option(Table):
    """Something that a room sets per device (`options` of `[[devices]]`). `broadcast` values
    address every device and get no answer."""

    default: Scalar | None = None
    minimum: float | None = None
    maximum: float | None = None
    secret: bool = False
    broadcast: list[int] = Field(default_factory=list)
    note: str = ""


class Defaults(Table):
    """Templates that every command has unless it says otherwise."""

    set: Source | None = None
    get: Source | None = None
    is_: Sources | None = Field(default=None, alias="is")
    ack: Sources | None = None
    notify: Sources | None = None


class Replies(Table):
    """What answers mean, whatever the command.

    `nak` may capture `{error}`; `errors` gives its meaning, which may begin with a class:
    `undefined: range: unavailable: busy: failure:`. `busy` is retried, `wait` prolongs the
    time-out, `accepted` comes before the `ack` of something that takes long and counts as
    confirmation. `unsolicited`: any `is` form may come unasked. `restart`: the device began anew.
    """

    nak: Sources = Field(default_factory=list)
    busy: Sources = Field(default_factory=list)
    wait: Sources = Field(default_factory=list)
    accepted: Sources = Field(default_factory=list)
    errors: dict[str, str] = Field(default_factory=dict)
    ignore: Sources = Field(default_factory=list)
    restart: Sources = Field(default_factory=list)
    unsolicited: bool = False


class Presence(Table):
    """MQTT: the messages that say a device is there or gone."""

    online: Source
    offline: Source


class Timing(Table):
    """Pacing. `gap_ms`: from one frame to the next. `late_s`: how long an answer may come late."""

    gap_ms: float = 0
    timeout_s: float = 2.0
    retries: int = 2
    busy_s: float = 0.5
    late_s: float = 1.0
    connect_s: float = 5.0


class Param(Table):
    """A further argument of a command, written after the value: `left,8`."""

    default: Scalar
    minimum: float | None = None
    maximum: float | None = None
    values: dict[str, Scalar] = Field(default_factory=dict)


class Command(Table):
    """One thing that can be set, read or done.

    `values` maps logical names to wire tokens (`on`/`off` make it a boolean, whatever the wire
    says for them); `reads`, wire token to name, replaces them when reading; `aliases` are further
    tokens to read. `range` makes it a number, `wire` is the range on the wire when it differs.
    `cmd` and `fields` are literals for its templates. `when`: power states in which it works.
    `stop` is the value that ends a movement and goes before everything else; without a renewed
    command it is sent after `deadman_s`. `coalesce`: a newer command replaces a waiting one of the
    same key. `travel_s`: no answer tells the end of the movement; it takes so long.
    `replies = false`: nothing is answered to `set`. `verify`: read it back after setting.
    """

    capability: str = ""
    kind: Kind | None = None
    label: str = ""
    cmd: str | None = None
    fields: dict[str, str] = Field(default_factory=dict)
    access: Literal["rw", "r", "w"] = "rw"
    set: Source | None = None
    get: Source | None = None
    is_: Sources | None = Field(default=None, alias="is")
    ack: Sources | None = None
    notify: Sources | None = None
    values: dict[str, Scalar] = Field(default_factory=dict)
    reads: dict[str, str] = Field(default_factory=dict)
    aliases: dict[str, str] = Field(default_factory=dict)
    range: tuple[float, float] | None = None
    wire: tuple[float, float] | None = None
    params: dict[str, Param] = Field(default_factory=dict)
    state: str = ""
    when: list[PowerName] | None = None
    gap_ms: float | None = None
    settle_s: float = 0
    timeout_s: float | None = None
    retries: int | None = None
    idempotent: bool = True
    coalesce: str = ""
    stop: str | None = None
    deadman_s: float = 3.0
    travel_s: float | None = None
    poll: bool = True
    verify: bool = False
    replies: bool = True


class Poll(Table):
    """How often states are read. `standby`: what is read when it isn't on."""

    every_s: float = 10.0
    standby_s: float = 30.0
    changing_s: float = 2.0
    standby: list[str] = Field(default_factory=lambda: ["power"])


class PowerModel(Table):
    """What the device does around a change of power.

    `standby` and `changing` (warming, cooling): does it answer everything, only `power`, nothing,
    or does it close the connection? `dead_s`: silent for so long after a change. `hold`: an
    opposite command waits until warming or cooling is over. `wake = "wol"`: power on by
    Wake-on-LAN (option `mac`).
    """

    warm_s: float = 0
    cool_s: float = 0
    dead_s: float = 0
    standby: Literal["answers", "power-only", "silent", "disconnected"] = "answers"
    changing: Literal["answers", "power-only", "silent"] = "answers"
    hold: bool = True
    wake: Literal["command", "wol"] = "command"


class KeepAlive(Table):
    """A message sent while the connection stands (subscriptions that expire, idle time-outs)."""

    send: Source
    every_s: float


class Notices(Table):
    """UDP messages that the device sends unasked to this port of ours: `notify` forms of commands,
    and `restart`. Anyone could send such a thing, so what it tells is asked for, not believed."""

    port: int = Field(ge=1, le=65535)


class Identity(Table):
    """Commands whose readings are the model and the firmware; asked once after connecting."""

    model: str | None = None
    firmware: str | None = None


class Dialect(Table):
    """A variant of the family, chosen when the patterns (regular expressions) fit what the
    identity probe read; `change` is laid over the profile."""

    name: str
    model: str | None = None
    firmware: str | None = None
    change: dict[str, Any]


class Golden(Table):
    """One exchange copied from the document: whole frames, without the session's wrapping.

    `send = "power=on"` or `get = "power"` or `report = "power=on"`; `value` is what `rx` reads.
    Hex digits for hex profiles, otherwise text; `hex:` in front forces bytes; MQTT is
    `topic payload`.
    """

    send: str | None = None
    get: str | None = None
    report: str | None = None
    tx: str | None = None
    rx: Annotated[list[str], one_or_many(str)] = Field(default_factory=list)
    value: Scalar | None = None
    options: dict[str, Any] = Field(default_factory=dict)


class Evidence(Table):
    """Where the facts come from. `verified`: read in the document; `recomputed`: the document's
    rule applied; `unverified`: no public byte table was found."""

    document: str
    section: str = ""
    url: str = ""
    status: Literal["verified", "recomputed", "unverified"]
    golden: list[Golden] = Field(default_factory=list)


class Axis(Table):
    """One axis of a camera's head: its ends and its smallest step in the units in which it is read,
    and `rate`, units a second at speed 1."""

    low: float
    high: float
    step: float = Field(default=1, gt=0)
    rate: float = Field(gt=0)


class Head(Table):
    """How a simulated camera moves: what `position`, `tilt_position` and `zoom_position` tell."""

    pan: Axis
    tilt: Axis
    zoom: Axis | None = None


class SimulatorModel(Table):
    """What the simulated device knows at first, its factory options (a password, perhaps), whether
    it answers a refusal, and how it turns."""

    options: dict[str, Scalar] = Field(default_factory=dict)
    state: dict[str, Scalar] = Field(default_factory=dict)
    refuse: Literal["nak", "silent"] = "nak"
    head: Head | None = None


class Profile(Table):
    """One family of devices. `name` is the file's path in the catalogue, as in `pjlink/class1`.

    `extends` names a profile that this one is laid over: tables merge, except that `values`,
    `reads` and `aliases` replace; `false` takes a table of the other one away.
    """

    name: str = ""
    extends: str | None = None
    title: str
    vendor: str
    kind: FirmwareKind
    models: list[str] = Field(default_factory=list)
    quirks: list[str] = Field(default_factory=list)
    options: dict[str, Option] = Field(default_factory=dict)
    transports: Transports
    session: Session = Field(default_factory=Session)
    frame: Frame = Field(default_factory=Frame)
    defaults: Defaults = Field(default_factory=Defaults)
    replies: Replies = Field(default_factory=Replies)
    presence: Presence | None = None
    timing: Timing = Field(default_factory=Timing)
    commands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Command]
    poll: Poll = Field(default_factory=Poll)
    power: PowerModel = Field(default_factory=PowerModel)
    keepalive: KeepAlive | None = None
    notices: Notices | None = None
    identity: Identity = Field(default_factory=Identity)
    dialects: list[Dialect] = Field(default_factory=list)
    simulator: SimulatorModel = Field(default_factory=SimulatorModel)
    evidence: list[Evidence] = Field(min_length=1)

    def session_for(self, transport: str) -> Session:
        """The session of one transport, or the profile's own."""
        table = getattr(self.transports, transport, None)
        return (table.session if table is not None else None) or self.session


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a profile file, for editors."""
    schema = Profile.model_json_schema(by_alias=True, mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "classroomd device profile"
    return schema

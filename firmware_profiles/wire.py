"""What a profile says of the wire: ways to the device, how a connection begins, where frames end.

Times are seconds unless the name ends in `_ms`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def one_or_many(kind: Any) -> BeforeValidator:
    """A single value may stand for a list of one."""
    return BeforeValidator(_as_list, json_schema_input_type=kind | list[kind])


class Table(BaseModel):
    """Every table: unknown keys are refused, `is`-style aliases work, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Step(Table):
    """One step of a conversation at connect: wait for `expect`, then `send` (both may hold
    `{password}`, `{username}` and options; text, or bytes after `hex:`)."""

    expect: str | None = None
    send: str | None = None
    optional: bool = False
    timeout_s: float = 5.0


class Session(Table):
    """How a connection begins and how long it stands.

    `kind` names a conversation implemented in `devices.sessions`; `steps` writes a simple one.
    `connection = "per-command"` opens one connection per exchange. `echo`: the device may repeat
    what it received. `telnet`: option negotiation is refused and taken out. `idle_s`: the device
    closes a quiet connection after that.
    """

    kind: Literal[
        "plain", "pjlink", "visca-ip", "mdc-tls", "ntcontrol", "adcp", "onvif", "http", "shelly"
    ] = "plain"
    connection: Literal["persistent", "per-command"] = "persistent"
    steps: list[Step] = Field(default_factory=list)
    echo: bool = False
    telnet: bool = False
    idle_s: float | None = None


class SerialTransport(Table):
    """A serial line. `format`: data bits, parity (N, E, O), stop bits."""

    baud: int = 9600
    format: str = Field(default="8N1", pattern=r"^[5-8][NEO][12]$")
    flow: Literal["none", "rtscts", "xonxoff"] = "none"
    session: Session | None = None


class NetTransport(Table):
    """TCP, UDP or OSC: the port that the device listens on. `local_port` 0 is any free one."""

    port: int = Field(ge=1, le=65535)
    local_port: int = Field(default=0, ge=0, le=65535)
    session: Session | None = None


class HttpTransport(Table):
    """HTTP: a message says what it asks for (`{ get = "/path" }`), or is posted to `path`, unless
    the session knows a better one. `content` is the type of what is sent. `auth`: how the device
    wants name and password, where it wants them (basic ones travel in the clear)."""

    port: int = Field(default=80, ge=1, le=65535)
    path: str = "/"
    content: str = "application/json"
    auth: Literal["digest", "basic"] = "digest"
    session: Session | None = None


class MqttTransport(Table):
    """Topics (templates over options) that the device publishes on."""

    subscribe: list[str]
    session: Session | None = None


class Transports(Table):
    """Ways to the device. At least one."""

    serial: SerialTransport | None = None
    tcp: NetTransport | None = None
    udp: NetTransport | None = None
    osc: NetTransport | None = None
    http: HttpTransport | None = None
    mqtt: MqttTransport | None = None

    def ways(self) -> list[str]:
        """The names of the tables that are there."""
        return [name for name in WAYS if getattr(self, name) is not None]


WAYS = ("tcp", "serial", "udp", "osc", "http", "mqtt")
STREAMS = ("tcp", "serial")


class Checksum(Table):
    """`kind` over the frame's bytes from index `start` (0 is the first byte of `start`) up to
    the end of the body; it follows the body. `sum16le` adds `constant`. `hex`: as two digits."""

    kind: Literal["sum8", "negsum8", "xor8", "or8", "sum16le"]
    start: int = 0
    constant: int = 0
    hex: bool = False


class Length(Table):
    """A length inside the frame: at byte `at`, `size` bytes; the frame has value + `adds` bytes."""

    at: int
    size: Literal[1, 2] = 1
    endian: Literal["big", "little"] = "big"
    adds: int = 0


class Framing(Table):
    """How one direction cuts bytes into frames. Templates hold what lies between `start` and the
    checksum or `end`. Exactly one of `end`, `length`, `fixed` says where a frame ends (datagrams
    and MQTT messages need none); `fixed` counts all bytes.
    `keep_end`: the end is part of the body, so that commands may end differently.
    `trim`: white space around a body doesn't count; `strip`: these characters in front neither.
    """

    start: str = ""
    end: Annotated[list[str], one_or_many(str)] = Field(default_factory=list)
    keep_end: bool = False
    length: Length | None = None
    fixed: int | None = None
    checksum: Checksum | None = None
    trim: bool = False
    strip: str = ""
    max: int = 4096


class Frame(Table):
    """Encoding of templates, and the framing per direction. Alternatives are tried in order: the
    first whose end and checksum fit wins; what is sent is framed by the first of `tx`. Without
    `rx` both are alike."""

    encoding: Literal["text", "hex", "json", "osc"] = "text"
    ignore_case: bool = False
    tx: Annotated[list[Framing], one_or_many(Framing)] = Field(
        default_factory=lambda: [Framing()], min_length=1
    )
    rx: Annotated[list[Framing], one_or_many(Framing)] = Field(default_factory=list)

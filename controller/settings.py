"""What room.toml may say: one model for each of its tables.

Secrets are references (`env:NAME`, `file:/path`) that are looked up only where they are used.
Every key is described in docs/configuration.md and stands in docs/room.example.toml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from controller.course_platforms import LtiSection
from controller.live_settings import StreamingSection
from controller.publication import CourseRule, RightsSection
from controller.reactions import PrivacySpec, TriggerSpec
from controller.state import AccessRole
from devices.model import DeviceSpec, Value
from publishing.target import TargetConfig
from recorder.recording import Layout, ProgramSpec, SourceSpec

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]


def _is_reference(text: str) -> str:
    if not text.startswith(("env:", "file:")) or not text.partition(":")[2]:
        raise ValueError("a secret is never written here, only where it can be found")
    return text


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone of the IANA database") from None
    return name


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this is no regular expression ({error})") from None
    return text


SecretRef = Annotated[str, AfterValidator(_is_reference)]
ProductionStep = Literal["align", "analyse", "render", "caption", "draft", "package"]
Pattern = Annotated[str, AfterValidator(_is_pattern), Field(max_length=500)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoomSection(_Table):
    """`[room]`: who the room is. `languages`: what its pages offer, the first one first."""

    id: Id
    name: str
    timezone: Annotated[str, AfterValidator(_is_zone)] = "UTC"
    languages: list[str] = Field(default_factory=lambda: ["en"], min_length=1)


class StorageSection(_Table):
    """`[storage]`: `recordings` and `state` are folders, relative ones beside room.toml.

    No recording starts with less than `reserve_gb` (10^9 bytes) free. `keep_days`: how long a
    recording stays after every target has confirmed it; nothing is deleted without it.
    """

    recordings: Path = Path("recordings")
    state: Path = Path("state")
    reserve_gb: float = Field(5.0, ge=0)
    keep_days: int | None = Field(None, ge=0)


class SessionSection(_Table):
    """`[session]`: `minutes` a class lasts when nothing else is said (0: open end).

    `undo_s`: how long End can be taken back. After the planned end plus `overtime_minutes` the
    class is ended (`overtime = "end"`) or the panel reminds (`"remind"`).
    """

    minutes: int = Field(0, ge=0, le=1440)
    undo_s: float = Field(10.0, ge=0, le=60)
    overtime: Literal["remind", "end"] = "remind"
    overtime_minutes: int = Field(15, ge=0, le=1440)


class SceneStep(_Table):
    """One step: `command` on `device`.

    Steps of one device run in the order written, devices run in parallel. `after` names steps
    that must have succeeded first (a step's `id`, `device.command`, or a device for all of its
    steps); `delay_s` waits before the step.
    """

    device: str
    command: str
    value: Value = None
    id: Id | None = None
    after: list[str] = Field(default_factory=list)
    delay_s: float = Field(0.0, ge=0, le=600)


class Scene(_Table):
    """`[[scenes]]`: `start` runs with a class and `end` after it; any other by hand."""

    id: Id
    name: str = ""
    steps: list[SceneStep]


class RecordingSection(_Table):
    """`[recording]`: the lecture's picture; `spare`: a recorder waits, ready, between classes."""

    layout: Layout = Layout.SLIDES_PRESENTER
    live: bool = False
    encoder: Literal["auto", "software"] = "auto"
    width: int = Field(1920, ge=160, le=3840, multiple_of=2)
    height: int = Field(1080, ge=90, le=2160, multiple_of=2)
    fps: int = Field(30, ge=5, le=60)
    spare: bool = True

    def program(self) -> ProgramSpec:
        """The same as the recorder takes it."""
        return ProgramSpec(
            width=self.width,
            height=self.height,
            fps=self.fps,
            live=self.live,
            encoder=self.encoder,
        )


class DraftsSection(_Table):
    """`[production.drafts]`: an OpenAI-compatible endpoint (`url` ends in `/v1`) drafts texts.

    What it writes is marked as a draft that the lecturer has to approve.
    """

    url: str = Field(pattern=r"^https?://\S+$")
    model: str = Field(min_length=1)
    secret: SecretRef | None = None
    kinds: list[Literal["summary", "quiz"]] = ["summary", "quiz"]
    timeout_s: float = Field(120.0, gt=0, le=3600)


class ProductionSection(_Table):
    """`[production]`: what is made of a lecture during and after class, and by whom.

    `captions` is the folder of a speech model; `languages` those that are spoken and shown (the
    room's without it); `steps` those that are wanted. `follow`: slides and speech are understood
    during class. `during_class`: whether work on earlier lectures goes on beside a class
    (`auto`: on a machine with room). Deliveries wait for production up to `wait_minutes`, unless
    `before_delivery`. `nice`: 0 (as urgent as the rest) to 19.
    """

    engine: Literal["local", "ray"] = "local"
    enabled: bool = True
    steps: list[ProductionStep] | None = None
    languages: list[str] = Field(default_factory=list)
    captions: Path | None = None
    follow: bool = True
    during_class: Literal["auto", "always", "never"] = "auto"
    before_delivery: bool = False
    wait_minutes: float = Field(240.0, ge=0, le=7 * 24 * 60)
    nice: int = Field(15, ge=0, le=19)
    drafts: DraftsSection | None = None


class TimetableSection(_Table):
    """`[timetable]`: an iCal address or file, and what follows from it.

    `start`: a class begins when someone presses (`ask`), by itself (`start`), or the timetable is
    only shown (`never`). `stop`: its end is as `[session] overtime` says (`ask`), comes by itself
    at the planned time (`stop`), or never by itself. `extend`: what an extension into the next
    class becomes. `early_minutes`: how long before its time Start takes the planned class;
    `gap_minutes` are kept free before the next one. `location` and `ignore` choose events;
    `title`, `course` and `lecturer` find these in an event's summary and description.
    """

    url: str = Field(min_length=1)
    user: str | None = None
    secret: SecretRef | None = None
    refresh_minutes: float = Field(15.0, ge=0.1, le=24 * 60)
    start: Literal["ask", "start", "never"] = "ask"
    stop: Literal["ask", "stop", "never"] = "ask"
    extend: Literal["shorten", "ask", "allow"] = "shorten"
    early_minutes: float = Field(15.0, ge=0, le=240)
    gap_minutes: float = Field(0.0, ge=0, le=60)
    location: Pattern | None = None
    ignore: Pattern | None = None
    title: Pattern | None = None
    course: Pattern | None = None
    lecturer: Pattern | None = None

    @property
    def remote(self) -> bool:
        """It is fetched from a server."""
        return self.url.startswith(("http://", "https://", "webcal://", "webcals://"))

    @property
    def address(self) -> str:
        """The address as HTTP knows it."""
        return re.sub(r"^webcals?://", "https://", self.url)

    @field_validator("url")
    @classmethod
    def _known_place(cls, url: str) -> str:
        scheme = re.match(r"^([a-z]+)://", url)
        if scheme and scheme[1] not in {"http", "https", "webcal", "webcals"}:
            raise ValueError(f"a calendar is not read from {scheme[1]}://")
        if scheme and "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("a password is never written here; use user and secret")
        return url.removeprefix("file:")


class HelpSection(_Table):
    """`[help]`: whom the panel's help button reaches beside the technician's page.

    `phone` stands on the panel. `webhook` gets a JSON text; `email` a message through `smtp`.
    """

    phone: str = Field("", max_length=60)
    webhook: str | None = Field(None, pattern=r"^https?://\S+$")
    webhook_secret: SecretRef | None = None
    email: list[str] = Field(default_factory=list)
    smtp: str = Field("localhost:25", pattern=r"^[A-Za-z0-9_.\-\[\]:]+:\d{1,5}$")
    sender: str = "classroomd@localhost"


class BrokerAccount(_Table):
    """`[[mqtt.accounts]]`: a login at the managed broker.

    `device`: everything outside `classroom/`; `control`: may read the room and set it.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    secret: SecretRef
    kind: Literal["device", "control"] = "device"


class MqttSection(_Table):
    """`[mqtt]`: the broker, ours (`managed`) or an existing one (`external`).

    `auto` is `managed` where Mosquitto can be had, and a room without MQTT where it can't.
    `commands`: how a set command is authorised: by a `token` of `[[auth.tokens]]` in the
    message, by the `broker`'s own access rules, or never (`off`).
    """

    mode: Literal["auto", "managed", "external", "off"] = "auto"
    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535)
    username: str | None = None
    secret: SecretRef | None = None
    tls: bool = False
    commands: Literal["token", "broker", "off"] = "token"
    homeassistant: bool = False
    discovery_prefix: str = "homeassistant"
    accounts: list[BrokerAccount] = Field(default_factory=list)


class OscSection(_Table):
    """`[osc]`: `allow` lists senders (addresses or networks); `token` is the first argument.

    `token = "off"` accepts messages without one from the allowed senders.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = Field(9000, ge=0, le=65535)
    allow: list[str] = Field(default_factory=lambda: ["127.0.0.1"])
    token: SecretRef | Literal["off"] | None = None


class UserSpec(_Table):
    """`[[auth.users]]`: the secret holds a PIN, a password or its argon2 hash.

    `cards` refers to a file with the numbers of this user's cards, one a line, as the panel's
    card reader types them.
    """

    name: str = Field(min_length=1, max_length=64)
    role: AccessRole
    secret: SecretRef
    cards: SecretRef | None = None


class TokenSpec(_Table):
    """`[[auth.tokens]]`: a bearer token for a program."""

    name: str = Field(min_length=1, max_length=64)
    role: AccessRole
    secret: SecretRef


class AuthSettings(_Table):
    """`[auth]`: who may sign in. `session_hours`: how long a sign-in lasts."""

    users: list[UserSpec] = Field(default_factory=list)
    tokens: list[TokenSpec] = Field(default_factory=list)
    session_hours: float = Field(12.0, gt=0, le=24 * 30)


class ServerSection(_Table):
    """`[server]`: where the pages and the API are served; `announce` the room by mDNS when it
    listens on the network."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    announce: bool = True


class ProfilesSection(_Table):
    """`[profiles]`: folders with firmware profiles of this site, relative ones beside room.toml."""

    paths: list[Path] = Field(default_factory=list)


class TabletsSection(_Table):
    """`[tablets]`: `address` is where students reach the room's pages; QR codes carry it.

    `lrs`: a learning record store that gets xAPI statements after class, with pseudonyms unless
    `names`. The room itself keeps names in its attendance for `keep_names_days`. `media`: below
    which folders sticks are mounted. `moodle`: where the courses' decks lie (read only).
    """

    address: str | None = Field(None, pattern=r"^https?://\S+$")
    lrs: str | None = Field(None, pattern=r"^https?://\S+$")
    lrs_user: str = ""
    lrs_secret: SecretRef | None = None
    names: bool = False
    keep_names_days: int = Field(30, ge=0, le=3650)
    media: list[Path] = Field(default_factory=lambda: [Path("/media"), Path("/run/media")])
    moodle: str | None = Field(None, pattern=r"^https?://\S+$")
    moodle_secret: SecretRef | None = None


class RoomConfig(_Table):
    """The whole of room.toml."""

    room: RoomSection
    storage: StorageSection = StorageSection()
    session: SessionSection = SessionSection()
    devices: list[DeviceSpec] = Field(default_factory=list)
    sources: list[SourceSpec] = Field(default_factory=list)
    scenes: list[Scene] = Field(default_factory=list)
    triggers: list[TriggerSpec] = Field(default_factory=list)
    privacy: list[PrivacySpec] = Field(default_factory=list)
    recording: RecordingSection = RecordingSection()
    production: ProductionSection = ProductionSection()
    rights: RightsSection = RightsSection()
    courses: list[CourseRule] = Field(default_factory=list)
    publish: list[TargetConfig] = Field(default_factory=list)
    timetable: TimetableSection | None = None
    help: HelpSection = HelpSection()
    mqtt: MqttSection = MqttSection()
    osc: OscSection = OscSection()
    auth: AuthSettings = Field(default_factory=AuthSettings)
    server: ServerSection = ServerSection()
    tablets: TabletsSection = TabletsSection()
    streaming: StreamingSection = StreamingSection()
    lti: LtiSection = LtiSection()
    profiles: ProfilesSection = ProfilesSection()

    def scene(self, name: str) -> Scene | None:
        """The scene called `name`."""
        return next((scene for scene in self.scenes if scene.id == name), None)

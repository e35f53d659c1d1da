"""What a tablet may say to the room; version 1 of the protocol (docs/tablet-protocol.md).

Every message is one JSON object with a `type`. Fields that a version does not know are ignored.
A message that changes something carries an `id` made by the sender, so that it may be repeated
until it is acknowledged.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from devices.tablets import ink
from devices.tablets.question import Identifier, Question

PROTOCOL = 1
MAX_MESSAGE = 64 * 1024

Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$")]
Web = Annotated[str, Field(max_length=2000, pattern=r"^(https?://|/)[^\s]*$")]


class MessageError(ValueError):
    """The bytes are no message of this protocol; the text says what is wrong."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Hello(_Message):
    """First message: what this tablet has (`session`, `since`) and what it is."""

    type: Literal["hello"]
    v: int = PROTOCOL
    credential: str | None = Field(default=None, max_length=100)
    session: str | None = Field(default=None, max_length=100)
    since: int = Field(default=0, ge=0)
    version: str = Field(default="", max_length=60)
    battery: int | None = Field(default=None, ge=0, le=100)


class Ping(_Message):
    """Renews the lease on the seat; the pong gives the room's time."""

    type: Literal["ping"]
    t: float
    visible: bool = True
    battery: int | None = Field(default=None, ge=0, le=100)


class Gap(_Message):
    """Entries after `after` up to `upto` are missing here."""

    type: Literal["gap"]
    after: int = Field(ge=0)
    upto: int | None = Field(default=None, ge=0)


class AnswerMessage(_Message):
    """An answer; `at` is when the student pressed, on the room's clock as estimated."""

    type: Literal["answer"]
    id: Identifier
    session: str = Field(max_length=100)
    question: Identifier
    value: Any
    at: int = 0


class Hand(_Message):
    """Raises or lowers the hand."""

    type: Literal["hand"]
    id: Identifier
    up: bool


class Confused(_Message):
    """Says "I am lost", or that it is over."""

    type: Literal["confused"]
    id: Identifier
    on: bool


class InkPart(_Message):
    """Part number `part` (0, 1, …) of a stroke, sent while it is being drawn."""

    type: Literal["ink"]
    id: Identifier
    page: Identifier
    stroke: Identifier
    part: int = Field(ge=0, le=500)
    points: str = Field(max_length=ink.MAX_CODED)
    color: Color = "#1a1a1a"
    width: float = Field(default=3.0, gt=0, le=60)

    @field_validator("points")
    @classmethod
    def _are_points(cls, value: str) -> str:
        ink.decode(value)
        return value


class Erase(_Message):
    """Removes strokes; a student's reaches only the student's own."""

    type: Literal["erase"]
    id: Identifier
    page: Identifier
    strokes: list[Identifier] = Field(max_length=500)


class Inquire(_Message):
    """Asks the lecturer something, in words."""

    type: Literal["inquire"]
    id: Identifier
    text: str = Field(min_length=1, max_length=500)


class Settle(_Message):
    """Shows what a student asks to the class, or is done with it."""

    type: Literal["settle"]
    id: Identifier
    inquiry: Identifier
    state: Literal["shown", "done"]


class Turn(_Message):
    """Turns to a page."""

    type: Literal["turn"]
    id: Identifier
    page: Identifier


class AddPage(_Message):
    """Inserts a blank page, a link or the live picture after the page `after`."""

    type: Literal["add_page"]
    id: Identifier
    kind: Literal["blank", "link", "live"]
    title: str = Field(default="", max_length=200)
    url: Web | None = None
    after: Identifier | None = None


class Pointer(_Message):
    """Where the lecturer points (0..65535 of the page), or nowhere; not kept."""

    type: Literal["pointer"]
    page: Identifier
    at: tuple[int, int] | None


class Clear(_Message):
    """Removes all ink from a page."""

    type: Literal["clear"]
    id: Identifier
    page: Identifier


class Timer(_Message):
    """Starts a timer of `seconds`, or takes it away (None)."""

    type: Literal["timer"]
    id: Identifier
    seconds: int | None = Field(ge=1, le=86_400)
    label: str = Field(default="", max_length=100)


class Attention(_Message):
    """Eyes up: covers the tablets' pages with `text`."""

    type: Literal["attention"]
    id: Identifier
    on: bool
    text: str = Field(default="", max_length=200)


class Mode(_Message):
    """How tablets follow: they do and may look back, they browse freely, or they must follow."""

    type: Literal["mode"]
    id: Identifier
    mode: Literal["follow", "free", "lock"]


class Push(_Message):
    """Hands a link or a file to every tablet."""

    type: Literal["push"]
    id: Identifier
    kind: Literal["link", "file"]
    url: Web
    title: str = Field(default="", max_length=200)


class Ask(_Message):
    """Opens a question, or several as a quiz, for `seconds` or until closed."""

    type: Literal["ask"]
    id: Identifier
    questions: list[Question] = Field(min_length=1, max_length=30)
    seconds: int | None = Field(default=None, ge=3, le=86_400)


class Close(_Message):
    """Closes questions."""

    type: Literal["close"]
    id: Identifier
    questions: list[Identifier] = Field(min_length=1, max_length=30)


class Reveal(_Message):
    """Shows the result of a question to the class, and the correct answer if wanted."""

    type: Literal["reveal"]
    id: Identifier
    question: Identifier
    correct: bool = False
    hide: list[int] = Field(default_factory=list, max_length=300)


class Share(_Message):
    """Shows a seat's sheet to the class, or several beside each other (None: takes it away)."""

    type: Literal["share"]
    id: Identifier
    question: Identifier | None
    seat: str = Field(default="", max_length=64)
    seats: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=6)
    named: bool = False


class Permit(_Message):
    """Lets a seat write on the shared page, or not any more."""

    type: Literal["permit"]
    id: Identifier
    seat: str = Field(max_length=64)
    ink: bool


class Drive(_Message):
    """Takes the driver's token, or gives it back."""

    type: Literal["drive"]
    id: Identifier
    take: bool


class LowerHands(_Message):
    """Lowers one seat's hand, or all."""

    type: Literal["lower_hands"]
    id: Identifier
    seat: str | None = Field(default=None, max_length=64)


StudentMessage = Hello | Ping | Gap | AnswerMessage | Hand | Confused | Inquire | InkPart | Erase
StaffMessage = (
    Turn
    | AddPage
    | Pointer
    | Clear
    | Timer
    | Attention
    | Mode
    | Push
    | Ask
    | Close
    | Reveal
    | Share
    | Permit
    | Drive
    | LowerHands
    | Settle
)
Message = StudentMessage | StaffMessage

_ADAPTER: TypeAdapter[Message] = TypeAdapter(
    Annotated[StudentMessage | StaffMessage, Field(discriminator="type")]
)


def parse(raw: bytes | str) -> Message:
    """Returns the message in `raw`. Raises MessageError."""
    if len(raw) > MAX_MESSAGE:
        raise MessageError(f"a message is at most {MAX_MESSAGE} bytes long")
    try:
        return _ADAPTER.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{place or 'message'}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not a message: {error}") from error

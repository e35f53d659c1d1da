"""What someone who teaches does to the lesson from the wall panel or a program."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dashboard.problems import ProblemError
from dashboard.room import Instructor
from dashboard.tablets import Room
from devices.tablets import messages as m
from devices.tablets import views
from devices.tablets.question import Question
from devices.tablets.teaching import NotNowError

router = APIRouter(prefix="/tablets/lesson")


class PollNow(BaseModel):
    """The newest question and what has been answered; `shown`: the class sees the result."""

    id: str
    kind: Literal["single", "multiple", "number", "words", "text", "ink"]
    text: str
    choices: list[str]
    state: Literal["open", "closed"]
    deadline: int | None
    shown: bool
    result: dict[str, Any]


class LessonSummary(BaseModel):
    """The lesson in numbers: seats here, seats that look, hands up, seats that are lost."""

    session: str
    present: int
    attentive: int
    hands: int
    lost: int
    attention: bool
    question: PollNow | None


class LessonNow(BaseModel):
    """`lesson` is None while no class is on."""

    lesson: LessonSummary | None


class Attention(BaseModel):
    """Eyes up, with a text for the tablets; or release."""

    on: bool
    text: str = Field(default="", max_length=200)


class NewPoll(BaseModel):
    """A question for the class. `live`: the board shows the counts as they come in."""

    kind: Literal["single", "multiple", "number", "words", "text"] = "single"
    text: str = Field(default="", max_length=2000, examples=["Which is faster?"])
    choices: list[Annotated[str, Field(max_length=500)]] = Field(
        default_factory=list, max_length=20, examples=[["Light", "Sound"]]
    )
    seconds: int | None = Field(default=None, ge=3, le=86_400)
    live: bool = True


class Asked(BaseModel):
    """The question's id."""

    id: str


class Show(BaseModel):
    """Whether the correct answer is shown as well."""

    correct: bool = False


@router.get("/summary")
async def summary(_: Instructor, tablets: Room) -> LessonNow:
    """The lesson in numbers; changes come as `lesson` events."""
    now = tablets.lesson
    return LessonNow.model_validate({"lesson": views.summary(now) if now else None})


@router.post("/attention")
async def attention(_: Instructor, tablets: Room, wanted: Attention) -> None:
    """Covers the tablets' pages, or uncovers them."""
    await _direct(tablets, m.Attention(type="attention", id=_id(), on=wanted.on, text=wanted.text))


@router.post("/hands/lower")
async def lower_hands(_: Instructor, tablets: Room) -> None:
    """Lowers every hand."""
    await _direct(tablets, m.LowerHands(type="lower_hands", id=_id()))


@router.post("/polls")
async def ask(_: Instructor, tablets: Room, wanted: NewPoll) -> Asked:
    """Opens a poll on every tablet."""
    question = _id()
    try:
        asked = Question(
            id=question,
            kind=wanted.kind,
            text=wanted.text,
            choices=wanted.choices,
            live=wanted.live,
        )
    except ValueError as error:
        raise ProblemError(422, "bad_poll", "A choice question needs two choices or more.") from (
            error
        )
    message = m.Ask(type="ask", id=_id(), questions=[asked], seconds=wanted.seconds)
    await _direct(tablets, message)
    return Asked(id=question)


@router.post("/polls/{question}/close")
async def close(_: Instructor, tablets: Room, question: str) -> None:
    """Takes no more answers."""
    _known(tablets, question)
    await _direct(tablets, m.Close(type="close", id=_id(), questions=[question]))


@router.post("/polls/{question}/reveal")
async def reveal(_: Instructor, tablets: Room, question: str, wanted: Show) -> None:
    """Shows the result on every tablet and the board."""
    _known(tablets, question)
    await _direct(
        tablets, m.Reveal(type="reveal", id=_id(), question=question, correct=wanted.correct)
    )


def _id() -> str:
    return secrets.token_hex(12)


def _known(tablets: Any, question: str) -> None:
    asked = tablets.lesson.state["questions"] if tablets.lesson else []
    if all(one["id"] != question for one in asked):
        raise ProblemError(404, "unknown_question", "This question was not asked in this class.")


async def _direct(tablets: Any, message: Any) -> None:
    try:
        await tablets.direct(message)
    except NotNowError as error:
        remedy = "Start one first." if error.code == "no_lesson" else ""
        raise ProblemError(409, error.code, str(error), remedy) from error

"""Questions to the class: polls, quizzes and sheets to hand in, and how answers are counted."""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from devices.tablets import ink

QuestionKind = Literal["single", "multiple", "number", "words", "text", "ink"]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
MAX_ANSWER_STROKES = 400


class AnswerError(ValueError):
    """The value is no answer to this question; the message says why in a few words."""


class Question(BaseModel):
    """One question. `correct` (choice numbers, or one number) never reaches a student unasked.

    `changeable`: a student may change the answer while the question is open. `late`: what becomes
    of an answer that was given before the end, by the tablet's clock, and arrives after it (the
    tablet was offline): it counts until the result is shown, or it is only kept. `live`: the board
    shows the counts as they come in (never written texts).
    """

    id: Identifier
    kind: QuestionKind
    text: str = Field(max_length=2000)
    choices: list[Annotated[str, Field(max_length=500)]] = Field(
        default_factory=list, max_length=20
    )
    correct: list[int] | float | None = None
    changeable: bool = True
    late: Literal["count", "keep"] = "count"
    live: bool = True

    @model_validator(mode="after")
    def _has_choices(self) -> Question:
        if self.kind in ("single", "multiple") and len(self.choices) < 2:
            raise ValueError("a choice question needs at least two choices")
        return self

    def public(self) -> dict[str, Any]:
        """What students see."""
        return {
            "id": self.id,
            "kind": self.kind,
            "text": self.text,
            "choices": self.choices,
            "changeable": self.changeable,
        }

    def check(self, value: Any) -> Any:
        """Returns `value` in its stored form. Raises AnswerError."""
        match self.kind:
            case "single":
                return self._choice(value)
            case "multiple":
                if not isinstance(value, list) or len(value) > len(self.choices):
                    raise AnswerError("choices are expected")
                return sorted({self._choice(each) for each in value})
            case "number":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise AnswerError("a number is expected")
                if not abs(value) <= 1e15:
                    raise AnswerError("the number is too large")
                return value
            case "words" | "text":
                return self._written(value, 300 if self.kind == "words" else 2000)
            case "ink":
                return _strokes(value)

    def _choice(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise AnswerError("a choice is expected")
        if not 0 <= value < len(self.choices):
            raise AnswerError("there is no such choice")
        return value

    def _written(self, value: Any, limit: int) -> str:
        if not isinstance(value, str) or not value.strip():
            raise AnswerError("a few words are expected")
        if len(value) > limit:
            raise AnswerError(f"at most {limit} characters")
        return value.strip()


def _strokes(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ANSWER_STROKES:
        raise AnswerError(f"1 to {MAX_ANSWER_STROKES} strokes are expected")
    kept = []
    for stroke in value:
        if not isinstance(stroke, dict) or not isinstance(stroke.get("points"), str):
            raise AnswerError("a stroke without points")
        try:
            ink.decode(stroke["points"])
        except ink.InkError as error:
            raise AnswerError(str(error)) from error
        color, width = stroke.get("color", "#000000"), stroke.get("width", 3)
        if not isinstance(color, str) or len(color) > 9 or not isinstance(width, int | float):
            raise AnswerError("a stroke with a damaged pen")
        kept.append({"points": stroke["points"], "color": color, "width": width})
    return kept


def tally(question: Question, values: Sequence[Any]) -> dict[str, Any]:
    """Returns the result: `answered` counts people, `counts` the choices they made."""
    result: dict[str, Any] = {"answered": len(values)}
    match question.kind:
        case "single" | "multiple":
            chosen = Counter(_flat(values))
            result["counts"] = [chosen[at] for at in range(len(question.choices))]
        case "number" if values:
            result |= {
                "min": min(values),
                "max": max(values),
                "mean": statistics.fmean(values),
                "median": statistics.median(values),
                "counts": sorted(Counter(values).most_common(50)),
            }
        case "words":
            spoken = Counter(word for value in values for word in {*_words(value)})
            result["words"] = spoken.most_common(60)
        case "text":
            result["texts"] = list(values)[:300]
    return result


def _flat(values: Iterable[Any]) -> Iterable[int]:
    for value in values:
        yield from value if isinstance(value, list) else [value]


def _words(value: str) -> Iterable[str]:
    for word in unicodedata.normalize("NFC", value).casefold().replace(",", " ").split():
        if kept := word.strip(".;:!?\"'()[]«»„“”،؟。、")[:40]:
            yield kept

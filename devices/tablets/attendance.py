"""Attendance and answers of a lesson, for the lecturer: CSV, and xAPI statements for a store.

Names leave the room only in what the lecturer asks for; statements name seats by a pseudonym
unless the course allows names. Free text in a CSV cell never starts a formula.
"""

from __future__ import annotations

import csv
import hmac
import io
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from devices.tablets.log import Answer, Signal, Stay
from devices.tablets.question import Question

VERBS = {
    "joined": ("http://activitystrea.ms/schema/1.0/join", "joined"),
    "left": ("http://activitystrea.ms/schema/1.0/leave", "left"),
    "answered": ("http://adlnet.gov/expapi/verbs/answered", "answered"),
}
INTERACTIONS = {
    "single": "choice",
    "multiple": "choice",
    "number": "numeric",
    "words": "fill-in",
    "text": "long-fill-in",
    "ink": "other",
}


def attendance_csv(stays: Sequence[Stay], end: int) -> str:
    """One row per seat: name, first and last time (UTC), minutes present, times rejoined."""
    by_seat: dict[str, list[Stay]] = {}
    for stay in stays:
        by_seat.setdefault(stay.seat, []).append(stay)
    rows = []
    for seat, own in by_seat.items():
        seconds = sum(((stay.left or end) - stay.joined) / 1000 for stay in own)
        last = max(stay.left or end for stay in own)
        rows.append(
            [own[-1].label, seat, _utc(own[0].joined), _utc(last), round(seconds / 60, 1), len(own)]
        )
    return csv_text(["name", "seat", "joined", "left", "minutes", "stays"], rows)


def answers_csv(
    answers: Sequence[Answer], questions: Mapping[str, Question], labels: Mapping[str, str]
) -> str:
    """One row per answer: question, who, what, whether it counts and was right."""
    rows = []
    for answer in answers:
        question = questions.get(answer.question)
        right = is_right(question, answer.value) if question else None
        rows.append(
            [
                question.text if question else answer.question,
                labels.get(answer.seat, answer.seat),
                answer.seat,
                _shown(question, answer.value),
                answer.state,
                "" if right is None else int(right),
                answer.revision,
                _utc(answer.received_at),
            ]
        )
    head = ["question", "name", "seat", "answer", "state", "right", "revision", "received"]
    return csv_text(head, rows)


def is_right(question: Question, value: Any) -> bool | None:
    """Whether the answer is the correct one; None when the question has none."""
    if question.correct is None:
        return None
    if isinstance(question.correct, list):
        given = value if isinstance(value, list) else [value]
        return sorted(given) == sorted(question.correct)
    return isinstance(value, int | float) and abs(value - question.correct) <= 1e-9 * max(
        1.0, abs(question.correct)
    )


def statements(
    session: str,
    home: str,
    stays: Iterable[Stay],
    answers: Iterable[Answer],
    questions: Mapping[str, Question],
    *,
    names: bool = False,
    secret: bytes = b"",
) -> list[dict[str, Any]]:
    """xAPI 1.0.3 statements; `home` is the room's own address, which names its activities.

    Seats are told by a pseudonym, another in each lesson; `secret`, the room's own, keeps seats
    with names that can be guessed from being found again.
    """
    labels = {stay.seat: stay.label for stay in stays} if names else {}
    lesson = f"{home}/lessons/{session}"

    def statement(key: str, verb: str, seat: str, at: int, thing: dict[str, Any]) -> dict[str, Any]:
        account = hmac.digest(secret, f"{session}:{seat}".encode(), "sha256").hex()[:24]
        actor: dict[str, Any] = {"account": {"homePage": home, "name": account}}
        if seat in labels:
            actor["name"] = labels[seat]
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{lesson}#{key}")),
            "actor": {"objectType": "Agent", **actor},
            "verb": {"id": VERBS[verb][0], "display": {"en": VERBS[verb][1]}},
            "object": thing,
            "timestamp": _utc(at),
            "context": {"contextActivities": {"grouping": [{"id": lesson}]}},
        }

    place = {
        "id": lesson,
        "definition": {"type": "http://adlnet.gov/expapi/activities/meeting"},
    }
    told = []
    for stay in stays:
        key = f"{stay.seat}-{stay.joined}"
        told.append(statement(f"join-{key}", "joined", stay.seat, stay.joined, place))
        if stay.left is not None:
            told.append(statement(f"left-{key}", "left", stay.seat, stay.left, place))
    for answer in answers:
        question = questions.get(answer.question)
        if question is None or answer.state != "counted":
            continue
        thing = {
            "id": f"{lesson}/questions/{question.id}",
            "definition": _interaction(question),
        }
        made = statement(f"answer-{answer.id}", "answered", answer.seat, answer.received_at, thing)
        made["result"] = {"response": _response(question, answer.value)}
        right = is_right(question, answer.value)
        if right is not None:
            made["result"]["success"] = right
        told.append(made)
    return told


def confusion(signals: Iterable[Signal], start: int, step_s: int = 60) -> list[dict[str, int]]:
    """How many were lost, minute by minute: `{"at": seconds into class, "lost": n}`; no seats."""
    lost: set[str] = set()
    peaks: dict[int, int] = {}
    for signal in signals:
        if signal.kind != "confused":
            continue
        (lost.add if signal.on else lost.discard)(signal.seat)
        bucket = max(0, signal.at - start) // 1000 // step_s * step_s
        peaks[bucket] = max(peaks.get(bucket, 0), len(lost))
    return [{"at": at, "lost": count} for at, count in sorted(peaks.items())]


def _interaction(question: Question) -> dict[str, Any]:
    """What was asked (xAPI 1.0.3, part 2, section 2.4.4.1)."""
    asked: dict[str, Any] = {
        "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
        "interactionType": INTERACTIONS[question.kind],
    }
    if question.text:
        asked["name"] = {"und": question.text}
    if question.choices:
        asked["choices"] = [
            {"id": str(at), "description": {"und": text}}
            for at, text in enumerate(question.choices)
        ]
    if isinstance(question.correct, list):
        asked["correctResponsesPattern"] = ["[,]".join(map(str, question.correct))]
    elif question.correct is not None:
        asked["correctResponsesPattern"] = [f"{question.correct:g}"]
    return asked


def _response(question: Question, value: Any) -> str:
    if question.kind == "multiple":
        return "[,]".join(map(str, value))
    if question.kind == "ink":
        return f"{len(value)} strokes"
    return str(value)


def _shown(question: Question | None, value: Any) -> str:
    if question and question.kind in ("single", "multiple"):
        chosen = value if isinstance(value, list) else [value]
        return " | ".join(question.choices[at] for at in chosen if at < len(question.choices))
    if question and question.kind == "ink":
        return f"{len(value)} strokes"
    return value if isinstance(value, str) else json.dumps(value)


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def csv_text(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; no cell starts a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return out.getvalue()


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return cell

"""Drafts of a summary and a quiz, by an OpenAI-compatible endpoint that the university configured.

Off unless configured. What a model wrote is a draft (`<kind>.<lang>.draft.json`, `"approved":
false`) until the lecturer approves it; nobody ships or shows drafts to students. The transcript
and the slides' titles leave the room for that endpoint, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from recorder.production.settings import DraftSettings
from recorder.production.slides import known as known_slides
from recorder.recording import Recording, write_durably
from recorder.sources.open import SourceError, read_secret

_PART_CHARS = 40_000  # what a model with a small window still takes
_TITLES = 60
_RULES = (
    "You help a lecturer. Use only what the transcript says; it was made by a machine and may "
    "hold mistakes. Write in the transcript's language. Answer with one JSON object and nothing "
    "else."
)
_ASK = {
    "summary": 'Summarise this lecture for students who missed it. Form: {"summary": '
    '"three to six sentences", "points": ["what one should know afterwards", …]}',
    "quiz": "Write five questions by which students can check what they understood. Form: "
    '{"questions": [{"question": "…", "choices": ["…", "…", "…", "…"], "answer": 0, '
    '"why": "one sentence"}]}; answer is the index of the right choice.',
}

Progress = Callable[[float, float], None]


class DraftError(Exception):
    """No draft came back. The text says why; it is no failure of the rest."""


def draft(
    recording: Recording,
    settings: DraftSettings,
    progress: Progress = lambda done, total: None,
    client: httpx.Client | None = None,
) -> list[Path]:
    """Writes the drafts that are wanted. Raises DraftError."""
    transcripts = sorted(recording.products.glob("transcript.*.txt"))
    words = transcripts[0].read_text("utf-8").strip() if transcripts else ""
    if not words:
        raise DraftError("no drafts: there is no transcript to draft from")
    language = transcripts[0].name.split(".")[1]
    made = []
    own = client or httpx.Client(timeout=settings.timeout_s)
    with own:
        for number, kind in enumerate(settings.kinds, 1):
            if (recording.products / f"{kind}.{language}.json").exists():
                continue  # the lecturer has approved one
            answers = [_ask(own, settings, kind, _about(recording), part) for part in _parts(words)]
            content = answers[0] if len(answers) == 1 else _join(own, settings, kind, answers)
            made.append(_write(recording, kind, language, settings.model, content))
            progress(number, len(settings.kinds))
    return made


def _parts(words: str) -> list[str]:
    """The transcript in parts that fit, cut between paragraphs or at least between words."""
    parts = []
    while len(words) > _PART_CHARS:
        at = words.rfind("\n\n", _PART_CHARS // 2, _PART_CHARS)
        at = at if at > 0 else words.rfind(" ", _PART_CHARS // 2, _PART_CHARS)
        at = at if at > 0 else _PART_CHARS
        parts.append(words[:at].strip())
        words = words[at:].strip()
    return [*parts, words] if words else parts


def _about(recording: Recording) -> str:
    titles = [slide.title for slide in known_slides(recording) if slide.title][:_TITLES]
    told = [f"Lecture: {recording.manifest.title}"]
    if titles:
        told.append("Slides: " + " | ".join(titles))
    return "\n".join(told)


def _join(
    client: httpx.Client, settings: DraftSettings, kind: str, answers: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """One of several parts' answers."""
    if kind == "quiz":
        return {"questions": [one for answer in answers for one in answer["questions"]]}
    told = "\n\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
    return _ask(client, settings, kind, "These are summaries of the lecture's parts.", told)


def _ask(
    client: httpx.Client, settings: DraftSettings, kind: str, about: str, words: str
) -> dict[str, Any]:
    headers = {}
    if settings.secret:
        try:
            headers["Authorization"] = f"Bearer {read_secret(settings.secret)}"
        except SourceError as error:
            raise DraftError(f"no drafts: {error}") from error
    body = {
        "model": settings.model,
        "temperature": 0.2,
        "messages": [
            {"role": "system", "content": _RULES},
            {"role": "user", "content": f"{_ASK[kind]}\n\n{about}\n\nTranscript:\n{words}"},
        ],
    }
    url = f"{settings.url.rstrip('/')}/chat/completions"
    try:
        answer = client.post(url, json=body, headers=headers)
        answer.raise_for_status()
        content = answer.json()["choices"][0]["message"]["content"]
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise DraftError(f"no drafts: {settings.url} answered {status}") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise DraftError(f"no drafts: {settings.url} cannot be asked: {reason}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DraftError(f"no drafts: {settings.url} gave no chat completion") from error
    return _checked(kind, str(content))


def _checked(kind: str, content: str) -> dict[str, Any]:
    """The object in a model's answer, with nothing in it but what is known. Raises DraftError."""
    try:
        found = json.loads(content[content.index("{") : content.rindex("}") + 1])
        if kind == "summary":
            points = [str(point) for point in found.get("points", [])]
            return {"summary": str(found["summary"]), "points": points}
        return {"questions": [_question(one) for one in found["questions"]]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DraftError(f"no {kind}: the model's answer has another form") from error


def _question(one: dict[str, Any]) -> dict[str, Any]:
    choices = [str(choice) for choice in one["choices"]]
    right = int(one["answer"])
    if not 2 <= len(choices) <= 8 or not 0 <= right < len(choices):
        raise ValueError("a question without a right choice")
    return {
        "question": str(one["question"]),
        "choices": choices,
        "answer": right,
        "why": str(one.get("why", "")),
    }


def _write(
    recording: Recording, kind: str, language: str, model: str, content: dict[str, Any]
) -> Path:
    data = {
        "version": 1,
        "kind": kind,
        "language": language,
        "approved": False,
        "model": model,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **content,
    }
    path = recording.products / f"{kind}.{language}.draft.json"
    write_durably(path, json.dumps(data, indent=1, ensure_ascii=False).encode())
    return path


def approve(recording: Recording, name: str, by: str) -> Path:
    """Makes the draft `<kind>.<lang>` a product, as it stands now. Raises DraftError."""
    path = recording.products / f"{name}.draft.json"
    if "/" in name:
        raise DraftError(f"{name!r} is no draft's name")
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DraftError(f"there is no draft {name!r} in {recording.folder.name}") from error
    now = datetime.now(UTC).isoformat(timespec="seconds")
    data |= {"approved": True, "approved_by": by, "approved_at": now}
    final = recording.products / f"{name}.json"
    write_durably(final, json.dumps(data, indent=1, ensure_ascii=False).encode())
    path.unlink()
    return final

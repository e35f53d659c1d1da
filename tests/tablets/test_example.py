"""The native client in the documentation does what it says."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from devices.tablets import ink

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "tablet_client.py"


async def test_the_example_follows_and_answers(
    broker: Any, tablets: Any, web: str, until: Any
) -> None:
    lesson = tablets.room.lesson
    code = tablets.room.pairing.join_code("c1").text
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), f"http://{web}", code, "--answer", "7"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout

    async def told() -> Any:
        async with asyncio.timeout(60):
            return json.loads(await process.stdout.readline())

    try:
        assert await told() == {"page": "pa"}
        await lesson.put("page", {"page": "pc", "show_at": 0})
        assert await told() == {"page": "pc"}
        question = {"id": "q", "kind": "number", "text": "How many?", "choices": []}
        await lesson.keep_questions([_question(question)])
        await lesson.put("ask", {"quiz": "x", "questions": [question], "deadline": None})
        assert await told() == {"question": "How many?"}
        assert await told() == {"answer": "counted"}
        assert lesson.result("q")["counts"] == [(7, 1)]
        tablet = tablets.room.pairing.tablets()[0]
        assert (tablet.name, tablet.version) == ("Example", "example 1")
    finally:
        process.kill()
        await process.wait()


def _question(body: dict[str, Any]) -> Any:
    from devices.tablets.question import Question

    return Question.model_validate(body)


def test_the_documented_stroke_is_right() -> None:
    text = (ROOT / "docs" / "tablet-protocol.md").read_text("utf-8")
    assert f"`{ink.encode([(10, 10, 128), (12, 9, 130)])}`" in text


def test_every_message_and_entry_is_documented() -> None:
    from devices.tablets import messages, state

    text = (ROOT / "docs" / "tablet-protocol.md").read_text("utf-8")
    kinds = {
        model.model_fields["type"].annotation.__args__[0]
        for model in messages.StudentMessage.__args__ + messages.StaffMessage.__args__
    }
    for word in kinds | set(state._RULES):
        assert f"`{word}" in text or f"{word} " in text, word

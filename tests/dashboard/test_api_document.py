"""docs/api.md is true: its lines run, its events are those that are sent, its addresses exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from controller.state import Event
from dashboard.app import declared_routes

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    headers = {"Authorization": "Bearer token-technician"}
    with TestClient(app, base_url="http://room.test", headers=headers) as client:
        yield client


def test_the_lines_of_the_document_run(client: TestClient, room: Any) -> None:
    room.record("Optics", b"lecture")
    lines = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(lines) == 3
    known: dict[str, Any] = {"client": client}
    for block in lines:
        exec(compile(block, "docs/api.md", "exec"), known)
    assert known["room"]["room"] == "lab-2"
    assert known["session"]["title"] == "Optics"
    assert known["ended"]["state"] == "ended"
    assert known["result"]["outcome"] == "confirmed"
    assert known["first"].status_code == 206


def test_every_event_is_named(app: FastAPI) -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert told == set(get_args(Event.model_fields["kind"].annotation))


def test_every_address_exists(app: FastAPI) -> None:
    paths = {re.sub(r"\{[^}]*\}", "{}", route.path) for route in declared_routes(app)}
    for address in set(re.findall(r"`(?:GET |POST |PUT )?(/api/[\w/.{}]+)`", DOCUMENT)):
        assert re.sub(r"\{[^}]*\}", "{}", address) in paths, address


def test_every_answer_has_an_example_that_fits(app: FastAPI) -> None:
    described = app.openapi()
    seen, wrong = 0, []
    for path, item in described["paths"].items():
        for method, operation in item.items():
            for code, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                if not code.startswith("2") or content is None:
                    continue
                seen += 1
                schema = {**content["schema"], "components": described["components"]}
                for error in Draft202012Validator(schema).iter_errors(content["example"]):
                    wrong.append(f"{method} {path}: {error.json_path} {error.message}")
    assert seen > 100 and not wrong

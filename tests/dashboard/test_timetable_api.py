"""The timetable and the help button through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from controller.state import AccessRole

Connect = Callable[..., httpx.AsyncClient]


async def test_the_timetable_is_null_planned_and_skipped(room: Any, connect: Connect) -> None:
    client = connect(AccessRole.INSTRUCTOR)
    assert (await client.get("/api/v1/timetable")).json() is None
    refused = await client.post("/api/v1/timetable/skip", json={"slot": "x"})
    assert (refused.status_code, refused.json()["code"]) == (404, "no_timetable")
    room.timetable.plan(("Optics", 5, 95), ("Algebra", 120, 200))
    view = (await client.get("/api/v1/room")).json()["timetable"]
    assert view["next"]["title"] == "Optics" and len(view["today"]) == 2
    skipped = await client.post("/api/v1/timetable/skip", json={"slot": view["next"]["id"]})
    assert skipped.json()["today"][0]["state"] == "skipped"


async def test_start_and_extend_carry_what_was_chosen(room: Any, connect: Connect) -> None:
    client = connect(AccessRole.INSTRUCTOR)
    assert (await client.post("/api/v1/session", json={"slot": "Optics/1"})).status_code == 200
    extended = await client.post("/api/v1/session/extend", json={"minutes": 5, "force": True})
    assert extended.status_code == 200
    asked = {call: data for call, _, data in room.calls}
    assert asked["start"]["slot"] == "Optics/1" and asked["extend"]["force"] is True


async def test_help_is_called_answered_and_closed(connect: Connect) -> None:
    panel, technician = connect(AccessRole.INSTRUCTOR), connect(AccessRole.TECHNICIAN)
    called = (await panel.post("/api/v1/help", json={"note": "No sound"})).json()
    assert (called["state"], called["note"]) == ("called", "No sound")
    assert (await panel.post("/api/v1/help/answer")).status_code == 403
    assert (await technician.post("/api/v1/help/answer")).json()["state"] == "answered"
    assert (await panel.post("/api/v1/help/close")).json()["state"] == "none"
    assert (await panel.post("/api/v1/help", json={"note": "x" * 501})).status_code == 422

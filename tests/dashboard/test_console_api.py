"""The console's API: the machine, the journal, the wire, discovery with a real device, the file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from controller.logbook import LOGBOOK, Logbook
from controller.roomfile import RoomFile
from controller.state import AccessRole, Actor
from dashboard.app import create_app
from devices.traffic import Traffic

Connect = Callable[..., httpx.AsyncClient]
ROOM = '[room]\nid = "lab"\nname = "Lab"\n'


@pytest.fixture
def restarts() -> list[int]:
    return []


@pytest.fixture
def room_file(tmp_path: Path, restarts: list[int]) -> RoomFile:
    path = tmp_path / "room.toml"
    path.write_text(ROOM)
    return RoomFile(path, tmp_path / "state", lambda: restarts.append(1))


@pytest.fixture
def app(room: Any, auth: Any, built_pages: Path, room_file: RoomFile) -> Any:
    return create_app(
        room, auth=auth, secret_key=secrets.token_bytes(32), pages=built_pages, room_file=room_file
    )


@pytest.fixture
async def projector() -> AsyncIterator[str]:
    """A simulated projector on a real port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "devices.simulator", "pjlink/class1", "--port", "0", "--time-scale", "100"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    yield f"tcp://{json.loads(line)['address']}".replace("tcp://tcp://", "tcp://")
    process.terminate()
    await process.wait()


async def test_the_machine_and_the_sheet(connect: Connect) -> None:
    client = connect(AccessRole.TECHNICIAN)
    health = (await client.get("/api/v1/health")).json()
    disk = health["disk"]
    assert disk["total_bytes"] > disk["free_bytes"] > 0 < health["memory_bytes"]
    assert disk["sync_ms"] > 0 and disk["read_only"] is False
    sheet = (await client.get("/api/v1/sheet")).json()
    assert sheet["panel"]["url"] == "http://room.test/" and sheet["panel"]["path"].startswith("M")
    assert sheet["join"]["url"].endswith("/tablet")


async def test_the_journal_is_searched_and_downloaded(room: Any, connect: Connect) -> None:
    actor = Actor(name="=cmd()", role=AccessRole.INSTRUCTOR, door="panel")
    await room.journal.enter(actor, "start", data={"title": "Optics"})
    await room.journal.enter(actor, "pause")
    client = connect(AccessRole.TECHNICIAN)
    found = (await client.get("/api/v1/journal", params={"text": "optics"})).json()
    assert [one["kind"] for one in found] == ["start"]
    answer = await client.get("/api/v1/journal.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["kind"] for row in rows] == ["pause", "start"]
    assert rows[0]["actor"] == "'=cmd()", "a spreadsheet must not run it"
    assert rows[0]["session"] == ""


async def test_what_is_taken_away_holds_no_secret(room: Any, connect: Connect) -> None:
    actor = Actor(name="Tech", role=AccessRole.TECHNICIAN, door="panel")
    told = {"url": "rtsp://admin:hunter2@10.0.0.9/1", "password": "hunter2"}
    await room.journal.enter(actor, "device", data=told)
    said = {"name": "room", "msg": "refused password=hunter2", "levelname": "INFO"}
    LOGBOOK.emit(logging.makeLogRecord(said))
    client = connect(AccessRole.TECHNICIAN)
    for path in ("journal.jsonl", "journal.csv", "journal", "logs.txt", "logs.jsonl", "logs"):
        answer = await client.get(f"/api/v1/{path}")
        assert "hunter2" not in answer.text and "***" in answer.text, path
    line = (await client.get("/api/v1/journal.jsonl")).text.splitlines()[0]
    assert json.loads(line)["data"]["url"] == "rtsp://***@10.0.0.9/1"
    log = await client.get("/api/v1/logs.txt", params={"text": "refused"})
    assert log.headers["content-disposition"] == 'attachment; filename="classroomd.log"'
    assert " room: refused password=***\n" in log.text


def test_the_log_remembers_its_newest_lines() -> None:
    book = Logbook(lines=3)
    log = logging.Logger("room")
    log.addHandler(book)
    for number in range(4):
        log.info("line %d", number)
    log.warning({"event": "disk", "free": 3})
    assert [line.text for line in book.tail(9)] == ["disk free=3", "line 3", "line 2"]
    assert [line.text for line in book.tail(9, level="warning")] == ["disk free=3"]
    assert [line.text for line in book.tail(9, text="LINE 2")] == ["line 2"]


async def test_the_wire_is_told_as_it_talks(served: str) -> None:
    address = f"ws://{served}/api/v1/devices/display/traffic/live"
    headers = {"Authorization": "Bearer token-technician"}
    async with websockets.connect(address, additional_headers=headers) as socket:
        entry = Traffic.model_validate_json(await asyncio.wait_for(socket.recv(), 30))
        assert entry.text == "power=on"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(
            address, additional_headers={"Authorization": "Bearer token-instructor"}
        )


async def test_a_device_is_tried_on_its_real_wire(connect: Connect, projector: str) -> None:
    client = connect(AccessRole.TECHNICIAN)
    asked = {
        "profile": "pjlink/class1",
        "transport": projector,
        "options": {"password": "JBMIAProjectorLink"},
        "command": "power",
        "value": True,
    }
    refused = (await client.post("/api/v1/discovery/trial", json=asked)).json()
    assert refused["code"] == "bad_device", "a password is a reference here too"
    asked["options"] = {"password": "env:TEST_PROJECTOR"}
    assert (await client.post("/api/v1/discovery/trial", json=asked)).status_code == 403
    client = connect(AccessRole.ADMIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_PROJECTOR", "JBMIAProjectorLink")
        answer = await client.post("/api/v1/discovery/trial", json=asked, timeout=60)
    told = answer.json()
    assert told["device"]["health"] == "online", told
    assert told["result"]["outcome"] in {"confirmed", "queued"}
    assert any(entry["direction"] == "out" for entry in told["traffic"])
    assert "JBMIAProjectorLink" not in answer.text
    unknown = await client.post("/api/v1/discovery/trial", json=asked | {"profile": "no/such"})
    assert unknown.status_code == 422


async def test_a_search_is_begun_and_asked_for(connect: Connect) -> None:
    client = connect(AccessRole.TECHNICIAN)
    begun = await client.post("/api/v1/discovery", json={"seconds": 0.3})
    assert begun.json()["running"] is True
    wide = await client.post("/api/v1/discovery", json={"subnets": ["10.0.0.0/8"]})
    assert wide.status_code == 422
    assert (await client.post("/api/v1/discovery/stop")).json()["running"] is False
    profiles = (await client.get("/api/v1/profiles")).json()
    assert any(one["name"] == "pjlink/class1" for one in profiles)


async def test_the_room_file_is_edited_kept_and_applied(
    connect: Connect, room: Any, restarts: list[int]
) -> None:
    client = connect(AccessRole.ADMIN)
    file = (await client.get("/api/v1/config")).json()
    bad = (await client.post("/api/v1/config/check", json={"text": ROOM + "x = 1\n"})).json()
    assert bad["faults"][0]["line"] == 4
    device = {"id": "p", "profile": "pjlink/class1", "transport": "tcp://10.0.0.2:4352"}
    made = await client.post(
        "/api/v1/config/device", json={"text": file["text"], "scenes": True, **device}
    )
    assert made.json()["faults"] == [] and "[[devices]]" in made.json()["text"]
    body = {"text": made.json()["text"], "version": file["version"]}
    assert (await client.put("/api/v1/config", json=body)).json()["running"] is False
    again = await client.put("/api/v1/config", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "changed_meanwhile")
    (old,) = (await client.get("/api/v1/config/history")).json()
    assert (await client.get(f"/api/v1/config/history/{old['id']}")).json()["text"] == ROOM
    assert (await client.post("/api/v1/config/apply")).json() == {"restarting": True}
    async with asyncio.timeout(30):
        while not restarts:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    kinds = [entry.kind for entry in await room.journal.tail(10)]
    assert kinds[:2] == ["restart", "config"]

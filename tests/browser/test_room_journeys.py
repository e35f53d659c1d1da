"""Whole journeys over a daemon with real wires: the timetable's class by one tap, and a room that
is configured, simulated, backed up and restored while it records."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from browsing import ADMIN, Daemon, Open, sign_in
from playwright.async_api import expect

PATIENCE_S = 60.0
ZIP = {"content-type": "application/zip"}


@asynccontextmanager
async def _admin(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{daemon.url}/api/v1", timeout=60) as client:
        client.headers["origin"] = daemon.url
        answer = await client.post("/login", json={"name": "Root", "password": ADMIN})
        assert answer.status_code == 200, answer.text
        yield client


async def _until(ask: Callable[[], Any]) -> Any:
    """Asks until it holds; a daemon that is just starting does not answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if found := await ask():
                    return found
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def test_the_timetables_class_is_one_tap_with_real_wires(
    daemon: Daemon, open_page: Open
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ends = now + timedelta(minutes=44)
    daemon.plan(("PHY-101 Optics", now - timedelta(minutes=1), ends))
    async with _admin(daemon) as admin:
        told = (await admin.post("/timetable/refresh", json={})).json()
        assert told.get("next") and told["next"]["state"] == "now", told
        page = (await open_page(daemon.url)).page
        await sign_in(page)
        await expect(page.locator(".offer-title")).to_have_text("PHY-101 Optics")
        await page.locator(".start").click()
        await page.wait_for_selector(".strip.is-live")
        await expect(page.locator(".strip-title")).to_have_text("PHY-101 Optics")
        room = (await admin.get("/room")).json()
        assert datetime.fromisoformat(room["session"]["planned_end"]) == ends
        there = ends.astimezone(ZoneInfo(room["timezone"]))
        await expect(page.locator(".strip-until")).to_have_text(
            re.compile(rf"^until {there:%H:%M} · 4\d minutes left$")
        )
        await page.locator(".help-button").click()
        await page.get_by_role("button", name="No picture").click()
        await expect(page.locator(".help-state")).to_contain_text("has been called")
        await admin.post("/help/answer", json={})
        await expect(page.locator(".help-state")).to_contain_text("Root takes care of it")
        session = (await admin.get("/session")).json()
        await admin.post("/session/end", json={"undo": False})
        (file,) = (daemon.folder / "recordings").glob("*/recording.json")
        manifest = json.loads(file.read_text())
        assert manifest["timetable"]["slot"] == session["slot"]
        assert manifest["title"] == "PHY-101 Optics"


async def test_a_room_is_changed_played_and_restored_while_it_records(daemon: Daemon) -> None:
    async with _admin(daemon) as admin:

        async def room() -> Any:
            return (await admin.get("/room")).json()

        async def recording() -> Any:
            return (await room())["session"]["recording_state"] == "recording"

        kept = (await admin.get("/backup")).content
        await admin.post("/session", json={"title": "Through it all"})
        await _until(recording)
        before = (await room())["session"]

        # Another name: applied while the class is recorded.
        file = (await admin.get("/config")).json()
        text = file["text"].replace('name = "Lecture hall"', 'name = "Great hall"')
        body = {"text": text, "version": file["version"]}
        assert (await admin.put("/config", json=body)).status_code == 200
        applied = await admin.post("/config/apply", json={})
        assert applied.status_code == 200, applied.text

        async def renamed() -> Any:
            return (await room())["name"] == "Great hall"

        await _until(renamed)
        await _until(recording)
        after = (await room())["session"]
        assert (after["id"], after["recording"]) == (before["id"], before["recording"])

        # A configuration that is sound but cannot run gives way to the one that did.
        file = (await admin.get("/config")).json()
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        text = file["text"].replace(f"port = {daemon.port}", f"port = {port}")
        body = {"text": text, "version": file["version"]}
        assert (await admin.put("/config", json=body)).status_code == 200
        await admin.post("/config/apply", json={})

        async def fell_back() -> Any:
            alarms = (await room())["alarms"]
            return [one for one in alarms if one["id"] == "config.refused"]

        assert "cannot be used" in (await _until(fell_back))[0]["text"]
        assert (await admin.get("/config")).json()["running"] is False
        taken.close()
        old = (await admin.get("/config/history")).json()[0]
        text = (await admin.get(f"/config/history/{old['id']}")).json()["text"]
        file = (await admin.get("/config")).json()
        await admin.put("/config", json={"text": text, "version": file["version"]})

        # The projector is played by its simulator, and says so.
        assert (await admin.post("/standins/projector", json={"on": True})).status_code == 200

        async def simulated() -> Any:
            (one,) = (await room())["devices"]
            return one["name"] == "Projector (simulator)" and one["health"] == "online"

        await _until(simulated)
        alarms = {one["id"] for one in (await room())["alarms"]}
        assert "standin.projector" in alarms and "config.refused" not in alarms

        # Nothing is restored over a class; afterwards the first name comes back.
        refused = await admin.post("/restore", content=kept, headers=ZIP)
        assert refused.json()["code"] == "not_allowed_now"
        await admin.post("/session/end", json={"undo": False})
        assert (await admin.post("/restore", content=b"no zip", headers=ZIP)).json()[
            "code"
        ] == "bad_backup"
        names = zipfile.ZipFile(io.BytesIO(kept)).namelist()
        assert {"room.toml", "backup.json", "state/tablets.db"} <= set(names)
        assert not [name for name in names if "key" in name or "pin" in name]
        restored = await admin.post("/restore", content=kept, headers=ZIP)
        assert restored.status_code == 200, restored.text

        async def as_before() -> Any:
            return (await room())["name"] == "Lecture hall"

        await _until(as_before)
        kinds = {one["kind"] for one in (await admin.get("/journal")).json()}
        assert {"config", "restart", "standin", "backup", "restore"} <= kinds

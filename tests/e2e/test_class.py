"""One class, from the button on the wall panel to the lecture on a server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from lectures import probe
from playwright.async_api import async_playwright, expect
from whole_room import PATIENCE, PIN, WholeRoom, free_port, in_thread, wait_for

CHROMIUM = os.environ.get("CLASSROOMD_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def furnish(room: WholeRoom, films: dict[str, Path]) -> None:
    """Four devices on four kinds of wire, three cameras and a slide source, a WebDAV server."""
    display = room.simulate("display", "samsung/mdc", "--pty", str(room.folder / "display"))
    projector = room.simulate("projector", "pjlink/class1", "--port", "0")
    camera = room.simulate("camera", "visca/raw", "--port", "0")
    room.cameras(**films)
    dav = room.webdav()
    room.broker_port = free_port()
    room.write(
        f"""
[[devices]]
id = "display"
profile = "samsung/mdc"
transport = "{display}?baud=9600"
[[devices]]
id = "projector"
profile = "pjlink/class1"
transport = "{projector}"
options = {{ password = {room.secret("pjlink", "JBMIAProjectorLink")} }}
[[devices]]
id = "camera"
profile = "visca/raw"
transport = "{camera}"
[[devices]]
id = "screen"
profile = "tasmota/relay"
transport = "mqtt://screen"
[mqtt]
mode = "managed"
port = {room.broker_port}
accounts = [{{ name = "screen", secret = {room.secret("screen", "a relay's password")} }}]

[[sources]]
id = "front"
role = "presenter"
url = "{room.rtsp("flash")}"
[[sources]]
id = "slides"
role = "slides"
url = "test:slides?size=640x360"
[[sources]]
id = "room"
role = "audience"
url = "{room.rtsp("footage")}"

[[scenes]]
id = "start"
steps = [
  {{ device = "display", command = "power", value = true }},
  {{ device = "projector", command = "power", value = true }},
  {{ device = "camera", command = "power", value = true }},
  {{ device = "screen", command = "relay", value = true }},
]
[[scenes]]
id = "end"
steps = [{{ device = "display", command = "power", value = false }}]

[[publish]]
id = "archive"
target = "webdav"
url = "{dav}"
user = "room"
secret = {room.secret("dav")}
auto = true
[session]
undo_s = 2
"""
    )
    room.open()
    room.simulate(
        *("screen", "tasmota/relay", "--mqtt", f"127.0.0.1:{room.broker_port}"),
        *("--option", "topic=screen"),
        CLASSROOMD_MQTT_USERNAME="screen",
        CLASSROOMD_MQTT_PASSWORD="a relay's password",
    )


async def press_through_a_class(room: WholeRoom) -> None:
    """What an instructor does, in a real browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        await page.goto(f"http://127.0.0.1:{room.port}")
        await page.wait_for_selector(".pin-pad")
        await page.keyboard.type(PIN)
        await page.keyboard.press("Enter")
        await page.click(".start")
        await expect(page.locator(".strip.is-live")).to_be_visible()
        await in_thread(
            room.until, "/session", lambda it: it and it["recorded_s"] > 3 and recording(it)
        )
        await in_thread(room.until, "/devices", powered_on)
        if shot := os.environ.get("CLASSROOMD_SCREENSHOT"):
            await page.screenshot(path=shot)
        await page.get_by_role("button", name="You only").click()
        await in_thread(room.until, "/session", lambda it: it["layout"] != "slides+presenter")
        began = (await in_thread(room.get, "/session"))["recorded_s"]
        await in_thread(room.until, "/session", lambda it: it["recorded_s"] > began + 7)
        await page.get_by_role("button", name="End class").click()
        await page.get_by_role("dialog").get_by_role("button", name="End class").click()
        await in_thread(room.until, "/session", lambda it: it["state"] == "ended")
        await browser.close()


def recording(session: dict[str, Any]) -> bool:
    return bool(session["recording_state"] == "recording")


def powered_on(devices: list[dict[str, Any]]) -> bool:
    """The three that have power are on, and the relay has confirmed."""
    power = {device["id"]: device["power"] for device in devices}
    relay = next(device for device in devices if device["id"] == "screen")
    on = all(power[name] == "on" for name in ("display", "projector", "camera"))
    return on and relay["values"].get("relay") is True


async def test_an_instructor_holds_a_class(room: WholeRoom, films: dict[str, Path]) -> None:
    from recorder.production.measure import measure_av_offset

    await in_thread(furnish, room, films)
    await press_through_a_class(room)
    session = await in_thread(
        room.until, "/session", lambda it: it["recording_state"] == "finished"
    )
    folder = next(room.recordings.glob(f"*_{session['recording']}"))
    lecture = folder / "products" / "lecture.mp4"
    found = probe(lecture)
    kinds = {stream["codec_type"]: stream for stream in found["streams"]}
    manifest = json.loads((folder / "recording.json").read_text())
    assert kinds["video"]["codec_name"] == "h264"
    assert kinds["audio"]["codec_name"] == "aac"
    assert found["chapters"]
    assert abs(float(found["format"]["duration"]) - manifest["duration_s"]) < 0.5
    assert abs(float(found["format"]["duration"]) - session["recorded_s"]) < 0.5
    offset = measure_av_offset(lecture)
    assert offset.pairs >= 3
    assert abs(offset.first_ms) < 40
    assert abs(offset.last_ms) < 40
    assert set(manifest["tracks"]) == {"front", "slides", "room"}

    delivered = await in_thread(
        room.until, "/deliveries", lambda them: any(it["state"] == "verified" for it in them)
    )
    receipt = next(it["receipt"] for it in delivered if it["state"] == "verified")
    arrived = {file["name"]: file for file in receipt["files"]}
    copy = next(room.dav.rglob("*lecture.mp4"))
    assert copy.read_bytes() == lecture.read_bytes()
    digest = hashlib.sha256(lecture.read_bytes()).hexdigest()
    assert any(
        digest in str(file) or file["size"] == lecture.stat().st_size for file in arrived.values()
    )
    wait_for(lambda: room.get("/devices")[0]["power"] in {"off", "cooling"})

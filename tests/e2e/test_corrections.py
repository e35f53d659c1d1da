"""What people decide after class reaches the server, by the daemon: trim, erase, withdraw."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lectures import probe
from whole_room import WholeRoom


def furnish(room: WholeRoom) -> None:
    """One source, and a WebDAV server."""
    room.write(
        f"""
[[sources]]
id = "front"
role = "presenter"
url = "test:presenter?size=640x360"
[[publish]]
id = "archive"
target = "webdav"
url = "{room.webdav()}"
user = "room"
secret = {room.secret("dav")}
auto = true
"""
    )
    room.open()


def hold_a_class(room: WholeRoom, seconds: float) -> str:
    """The recording's id, once it has arrived."""
    room.post("/session", {})
    room.until("/session", lambda it: it["recorded_s"] > seconds)
    recording = str(room.get("/session")["recording"])
    room.post("/session/end", {"undo": False})
    arrived(room, recording)
    return recording


def arrived(room: WholeRoom, recording: str, *, since: str = "") -> dict[str, Any]:
    """The delivery of this recording, once it has a receipt that is younger than `since`."""

    def proved(rights: dict[str, Any]) -> bool:
        if rights["edit"] is not None or not rights["deliveries"]:
            return False
        (delivery,) = rights["deliveries"]
        return bool(delivery["state"] == "verified" and delivery["receipt"]["verified"] > since)

    rights = room.until(f"/recordings/{recording}/rights", proved)
    return dict(rights["deliveries"][0])


def at_the_server(room: WholeRoom) -> Path:
    """The one lecture that the server has."""
    (lecture,) = room.dav.rglob("lecture.mp4")
    return lecture


def seconds(lecture: Path) -> float:
    return float(probe(lecture)["format"]["duration"])


def agree(room: WholeRoom, delivery: dict[str, Any]) -> None:
    """Receipt, server and this machine tell of the same bytes."""
    files = {file["name"]: file for file in delivery["receipt"]["files"]}
    digest = hashlib.sha256(at_the_server(room).read_bytes()).hexdigest()
    (here,) = room.recordings.glob("*/products/lecture.mp4")
    assert files["lecture.mp4"]["digest"] == f"sha256:{digest}"
    assert hashlib.sha256(here.read_bytes()).hexdigest() == digest


async def test_what_is_decided_after_class_reaches_the_server(room: WholeRoom) -> None:
    furnish(room)
    recording = hold_a_class(room, 6.5)
    rights = f"/recordings/{recording}/rights"
    first = arrived(room, recording)
    agree(room, first)
    whole = seconds(at_the_server(room))

    room.post(f"/recordings/{recording}/trim", {"start": 1.0, "cuts": [[3.0, 4.0]]})
    trimmed = arrived(room, recording, since=first["receipt"]["verified"])
    agree(room, trimmed)
    assert abs(seconds(at_the_server(room)) - (whole - 2.0)) < 0.3

    room.post(f"/recordings/{recording}/erase", {"spans": [[2.0, 3.0]]})
    erased = arrived(room, recording, since=trimmed["receipt"]["verified"])
    agree(room, erased)
    assert abs(seconds(at_the_server(room)) - (whole - 3.0)) < 0.4
    assert not room.get(rights)["can_restore"]

    room.post(f"/recordings/{recording}/withdraw", {"last_copy": True})
    room.until(rights, lambda it: it["deliveries"][0]["state"] == "withdrawn")
    assert not [path for path in room.dav.rglob("*") if path.is_file()]

    # A restarted daemon publishes nothing that was withdrawn, and knows what was decided.
    room.end("daemon")
    room.open()
    assert room.get(rights)["deliveries"][0]["state"] == "withdrawn"
    kinds = {line["kind"] for line in room.get("/journal")}
    assert {"trim_recording", "erase_span", "withdraw_recording"} <= kinds

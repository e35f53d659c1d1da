"""The API's own behaviour: answers, errors with remedies, files in ranges, figures, pages."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from controller.state import AccessRole, Alarm
from dashboard import web_types
from dashboard.app import SECURITY_HEADERS, create_app
from dashboard.pages import PAGES
from dashboard.review import chapters
from recorder.recording import Marker

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def teacher(connect: Connect) -> httpx.AsyncClient:
    return connect(AccessRole.INSTRUCTOR)


async def test_a_class_from_start_to_end(teacher: httpx.AsyncClient, room: Any) -> None:
    asked = {"title": "  Optics ", "course": "PHY-101", "minutes": 45}
    started = (await teacher.post("/api/v1/session", json=asked)).json()
    assert started["state"] == "live"
    assert started["title"] == "Optics"
    again = (await teacher.post("/api/v1/session", json={})).json()
    assert again["id"] == started["id"]
    assert (await teacher.post("/api/v1/session/pause")).json()["state"] == "paused"
    assert (await teacher.post("/api/v1/session/resume")).json()["state"] == "live"
    later = (await teacher.post("/api/v1/session/extend", json={"minutes": 5})).json()
    assert later["planned_end"] > started["planned_end"]
    chosen = await teacher.post("/api/v1/session/layout", json={"layout": "side-by-side"})
    assert chosen.json()["layout"] == "side-by-side"
    assert (await teacher.post("/api/v1/session/bookmark", json={"label": "Exam"})).is_success
    ending = (await teacher.post("/api/v1/session/end", json={"undo": True})).json()
    assert ending["undo_until"]
    assert (await teacher.post("/api/v1/session/undo")).json()["state"] == "live"
    assert (await teacher.post("/api/v1/session/end")).json()["state"] == "ended"
    assert (await teacher.get("/api/v1/session")).json()["state"] == "ended"


async def test_an_error_says_what_is_wrong_and_what_to_do(teacher: httpx.AsyncClient) -> None:
    answer = await teacher.post("/api/v1/session/pause")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not possible now",
        "status": 409,
        "code": "no_session",
        "detail": "No class is on.",
        "remedy": "Start one first.",
    }


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/api/v1/session/extend", {"minutes": 0}, "minutes"),
        ("/api/v1/session/extend", {}, "minutes"),
        ("/api/v1/session/layout", {"layout": 4}, "layout"),
        ("/api/v1/session", {"minutes": "long"}, "minutes"),
        ("/api/v1/session", {"title": "x" * 300}, "title"),
    ],
)
async def test_a_wrong_value_is_named_in_one_sentence(
    teacher: httpx.AsyncClient, path: str, body: object, says: str
) -> None:
    answer = await teacher.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{says}: ")


async def test_a_body_that_is_no_json_and_one_that_is_too_large(
    teacher: httpx.AsyncClient,
) -> None:
    headers = {"Content-Type": "application/json"}
    broken = await teacher.post("/api/v1/session", content=b"{", headers=headers)
    assert broken.status_code == 422
    assert "not JSON" in broken.json()["detail"]
    large = await teacher.post("/api/v1/session", content=b" " * 300_000, headers=headers)
    assert large.status_code == 413


async def test_a_crash_is_a_problem_without_its_inside(
    teacher: httpx.AsyncClient, room: Any
) -> None:
    room.crash = True
    answer = await teacher.get("/api/v1/room")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "told to crash" not in answer.text


async def test_unknown_addresses_and_methods_are_problems(teacher: httpx.AsyncClient) -> None:
    for method, path, status in [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/session", 405),
        ("GET", "/api/v1/devices/none", 404),
        ("POST", "/api/v1/devices/none/power", 404),
        ("GET", "/api/v1/sources/none/picture", 404),
        ("POST", "/api/v1/scenes/none", 404),
        ("GET", "/api/v1/recordings/none", 404),
    ]:
        answer = await teacher.request(method, path)
        assert answer.status_code == status, path
        assert answer.json()["detail"], path


async def test_a_device_obeys_and_confirms(teacher: httpx.AsyncClient) -> None:
    answer = await teacher.post("/api/v1/devices/display/power", json={"value": True})
    assert answer.json()["outcome"] == "confirmed"
    assert (await teacher.get("/api/v1/devices/display")).json()["power"] == "on"


async def test_pictures_come_as_jpeg_and_never_from_a_cache(teacher: httpx.AsyncClient) -> None:
    assert (await teacher.get("/api/v1/sources/front/picture")).status_code == 204
    await teacher.post("/api/v1/session", json={})
    answer = await teacher.get("/api/v1/sources/front/picture")
    assert answer.content[:2] == b"\xff\xd8"
    assert answer.headers["cache-control"] == "no-store"
    await teacher.post("/api/v1/session/pause")
    assert (await teacher.get("/api/v1/sources/front/picture")).status_code == 204


# --- recordings ----------------------------------------------------------------------------------


async def test_a_lecture_plays_from_any_place(connect: Connect, room: Any) -> None:
    content = bytes(range(256)) * 40
    recording = room.record("Optics", content)
    student = connect(AccessRole.STUDENT)
    listed = (await student.get("/api/v1/recordings")).json()
    assert [one["id"] for one in listed] == [recording.id]
    shown = (await student.get(f"/api/v1/recordings/{recording.id}")).json()
    assert shown["lecture_s"] == 8.0
    assert [(one["kind"], one["start_s"]) for one in shown["chapters"]] == [
        ("start", 0.0),
        ("page", 4.0),
        ("resume", 5.0),
        ("bookmark", 6.0),
    ]
    assert [(one["name"], one["bytes"], one["kind"]) for one in shown["products"]] == [
        ("lecture.mp4", len(content), "lecture")
    ]
    address = f"/api/v1/recordings/{recording.id}/products/lecture.mp4"
    whole = await student.get(address)
    assert whole.content == content
    assert whole.headers["accept-ranges"] == "bytes"
    part = await student.get(address, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206
    assert part.content == content[1000:2000]
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(content)}"
    beyond = await student.get(address, headers={"Range": f"bytes={len(content)}-"})
    assert beyond.status_code == 416
    taken = await student.get(address, params={"download": "true"})
    assert recording.folder.name in taken.headers["content-disposition"]


@pytest.mark.parametrize(
    "name", ["../recording.json", "..%2Frecording.json", ".hidden", "%2Fetc%2Fpasswd", "front.mp4"]
)
async def test_nothing_but_products_is_given_out(
    connect: Connect, room: Any, name: str, tmp_path: Path
) -> None:
    recording = room.record("Optics", b"x")
    (recording.products / ".hidden").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    (recording.products / "front.mp4").symlink_to(tmp_path / "secret")
    answer = await connect(AccessRole.STUDENT).get(
        f"/api/v1/recordings/{recording.id}/products/{name}"
    )
    assert answer.status_code in {404, 422}
    assert "secret" not in answer.text


def test_chapters_stand_on_the_lectures_own_time() -> None:
    markers = [
        Marker(t=0, kind="start"),
        Marker(t=10, kind="pause"),
        Marker(t=70, kind="resume"),
        Marker(t=80, kind="layout", data={"layout": "slides"}),
        Marker(t=90, kind="end"),
    ]
    assert [(one.kind, one.start_s, one.label) for one in chapters(markers, 90.0)] == [
        ("start", 0.0, ""),
        ("resume", 10.0, ""),
        ("layout", 20.0, "slides"),
    ]


# --- what stands around the API ------------------------------------------------------------------


async def test_every_answer_carries_the_security_headers(
    connect: Connect, teacher: httpx.AsyncClient
) -> None:
    for path in ("/", "/api/v1/me", "/api/v1/nothing", "/assets/panel-abc.js", "/healthz"):
        answer = await connect().get(path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get_list(name) == [value], (path, name)
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]
    assert (await teacher.get("/api/v1/room")).headers["cache-control"] == "no-store"


async def test_figures_for_prometheus(
    connect: Connect, teacher: httpx.AsyncClient, room: Any
) -> None:
    await teacher.post("/api/v1/session", json={})
    room.alarms.append(
        Alarm(
            id="a", severity="warning", who="technician", text="", remedy="",
            since=room.view().now,
        )
    )  # fmt: skip
    answer = await connect(AccessRole.TECHNICIAN).get("/metrics")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["classroomd_recording",] == 1.0
    assert found["classroomd_session_state", "live"] == 1.0
    assert found["classroomd_device_online", "display", "display"] == 1.0
    assert found["classroomd_alarms", "warning"] == 1.0
    assert found["classroomd_start_to_first_frame_seconds",] == pytest.approx(0.312)


async def test_pages_are_asked_for_again_and_their_parts_never(connect: Connect) -> None:
    client = connect()
    for address, page in PAGES.items():
        answer = await client.get(address.replace("{_id}", "r1"))
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert page.removesuffix(".html") in answer.text
        assert answer.headers["cache-control"] == "no-cache"
    etag = (await client.get("/")).headers["etag"]
    unchanged = await client.get("/", headers={"If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.headers["cache-control"] == "no-cache"
    part = await client.get("/assets/panel-abc.js", headers={"Accept-Encoding": "identity"})
    assert "immutable" in part.headers["cache-control"]
    assert part.headers["content-type"].startswith("text/javascript")
    for outside in ("/assets/..%2Fpanel.html", "/assets/none.js", "/assets/panel-abc.js.gz"):
        assert (await client.get(outside)).status_code == 404


async def test_a_page_brings_its_first_frame_and_allows_nothing_else(
    room: Any, auth: Any, built_pages: Path
) -> None:
    (built_pages / "assets" / "panel-x.css").write_text("b{color:red}\n")
    (built_pages / "panel.html").write_text(
        '<!doctype html><html lang="en" dir="ltr"><script>let a;</script>'
        '<link rel="stylesheet" crossorigin href="/assets/panel-x.css"><bdi data-room></bdi>'
    )
    named = {"name": "Hall <2>", "languages": ["ar", "en"]}
    section = room.config.room.model_copy(update=named)
    room.config = room.config.model_copy(update={"room": section})
    app = create_app(room, auth=auth, secret_key=b"k" * 32, pages=built_pages)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://room.test") as client:
        page = await client.get("/")
        packed = await client.get("/", headers={"Accept-Encoding": "identity"})
        other = await client.get("/board")
        kept = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert kept.status_code == 304, "what the browser kept takes the headers of this answer"
    assert kept.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert '<html lang="ar" dir="rtl">' in page.text and "<bdi>Hall &lt;2&gt;</bdi>" in page.text
    assert "<style>b{color:red}</style>" in page.text == packed.text
    policies = [one for name, one in page.headers.multi_items() if name.endswith("-policy")]
    policy = next(one for one in policies if "style-src" in one)
    for directive, inside in (("style", "b{color:red}"), ("script", "let a;")):
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{directive}-src 'self' 'sha256-{digest}';" in policy
    assert "unsafe" not in policy and "sha256" not in other.headers["content-security-policy"]


async def test_parts_are_sent_compressed_to_who_can_read_it(
    connect: Connect, built_pages: Path
) -> None:
    script = built_pages / "assets" / "panel-abc.js"
    packed = gzip.compress(script.read_bytes())
    script.with_name(script.name + ".gz").write_bytes(packed)
    answer = await connect().get("/assets/panel-abc.js", headers={"Accept-Encoding": "gzip, br"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(packed))
    assert answer.content == script.read_bytes()


async def test_without_built_pages_it_says_how_to_build_them(
    room: Any, auth: Any, tmp_path: Path
) -> None:
    app = create_app(room, auth=auth, secret_key=b"k" * 32, pages=tmp_path)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://room.test"
    ) as client:
        answer = await client.get("/")
    assert answer.status_code == 503
    assert "build_web.py" in answer.text


async def test_everyone_is_told_the_state_but_not_the_class(
    connect: Connect, teacher: httpx.AsyncClient
) -> None:
    await teacher.post("/api/v1/session", json={"title": "Staff appraisal"})
    answer = await connect().get("/api/v1/me")
    assert answer.json()["sign"]["state"] == "live"
    assert answer.json()["room_name"] == "Lecture hall 2"
    assert "appraisal" not in answer.text


async def test_the_description_names_problems_and_examples(connect: Connect) -> None:
    described = (await connect().get("/api/openapi.json")).json()
    assert "/api/v1/session" in described["paths"]
    assert "Problem" in described["components"]["schemas"]
    assert "examples" in str(described["components"]["schemas"]["Start"])


def test_the_pages_types_are_those_of_the_api() -> None:
    made = web_types.TARGET.read_text("utf-8")
    assert made == web_types.typescript(), "run `python -m dashboard.web_types`"


def test_the_room_is_the_only_thing_an_application_keeps(app: FastAPI, room: Any) -> None:
    assert app.state.classroom is room

"""Decisions about recordings over HTTP: who may make them, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from controller.state import AccessRole
from recorder.recording import Life, Recording, Role, SourceSpec, create
from streaming.access import Visibility, read_visibility


@pytest.fixture
def lecture(room: Any) -> Recording:
    camera = SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter")
    recording = create(room.root, session="s", room="r", title="Limits", sources=[camera])
    recording.lecture.write_bytes(b"not looked at")
    recording.mark("end", 60.0)
    recording.update(life=Life.READY, duration_s=60.0, lecturer="Ada Byron")
    return Recording.open(recording.folder)


async def test_anyone_who_teaches_may_hold_only_the_lecturer_may_release(
    room: Any, connect: Any, lecture: Recording
) -> None:
    room.free()
    base = f"/api/v1/recordings/{lecture.id}"
    async with connect(AccessRole.INSTRUCTOR) as teacher, connect(AccessRole.TECHNICIAN) as tech:
        answer = await teacher.post(f"{base}/hold", json={"why": "A guest"})
        assert answer.status_code == 202
        assert answer.json()["held"]["why"] == "A guest"
        assert lecture.manifest.life is Life.HELD
        for verb, body in (("release", {}), ("trim", {"start": 2}), ("withdraw", {})):
            answer = await teacher.post(f"{base}/{verb}", json=body)
            assert answer.status_code == 403
            assert answer.json()["code"] == "not_your_class"
        assert (await tech.post(f"{base}/release", json={})).json()["held"] is None
        assert lecture.manifest.life is Life.READY
        lecture.update(lecturer="instructor-bot")
        assert (await teacher.post(f"{base}/release", json={})).status_code == 202


async def test_a_trim_becomes_markers_in_class_time(
    room: Any, connect: Any, lecture: Recording
) -> None:
    lecture.mark("pause", 10.0)
    lecture.mark("resume", 20.0)
    lecture.update(duration_s=50.0)
    base = f"/api/v1/recordings/{lecture.id}"
    async with connect(AccessRole.TECHNICIAN) as tech:
        body = {"start": 5, "end": 45, "cuts": [[8, 12]]}
        answer = await tech.post(f"{base}/trim", json=body)
        assert answer.status_code == 202, answer.text
        assert answer.json()["edit"]["kind"] == "trim"
        cuts = {(m.data["from"], m.data["to"]) for m in lecture.markers() if m.kind == "cut"}
        assert cuts == {(0.0, 5.0), (8.0, 10.0), (20.0, 22.0), (55.0, 60.0)}
        answer = await tech.post(f"{base}/trim", json={"start": 1})
        assert answer.json()["code"] == "edit_under_way"


@pytest.mark.parametrize(
    "body", [{}, {"cuts": [[5, 5]]}, {"cuts": [[0, 59.5]]}, {"cuts": [[-1, 3]]}, {"start": 1e9}]
)
async def test_wrong_cuts_are_named(
    room: Any, connect: Any, lecture: Recording, body: dict[str, Any]
) -> None:
    async with connect(AccessRole.ADMIN) as admin:
        answer = await admin.post(f"/api/v1/recordings/{lecture.id}/trim", json=body)
    assert answer.status_code == 422
    assert not [marker for marker in lecture.markers() if marker.kind == "cut"]


async def test_words_are_corrected_and_taken_back(
    room: Any, connect: Any, lecture: Recording
) -> None:
    url = f"/api/v1/recordings/{lecture.id}/rights"
    async with connect(AccessRole.ADMIN) as admin:
        answer = await admin.patch(url, json={"visibility": "private", "consent": True})
        assert (answer.json()["visibility"], answer.json()["consent"]) == ("private", True)
        answer = await admin.patch(url, json={"visibility": None})
        assert (answer.json()["visibility"], answer.json()["consent"]) == ("course", True)
        assert (await admin.patch(url, json={"owner": "x"})).status_code == 422
    assert [kind for kind, _, _ in room.calls] == ["correct_recording"] * 2


@pytest.mark.parametrize("default", [Visibility.PUBLIC, Visibility.NOBODY])
async def test_a_decision_holds_live_too_where_nobody_had_said_anything(
    room: Any, app: Any, connect: Any, lecture: Recording, default: Visibility
) -> None:
    app.state.live.default_visibility = default
    async with connect(AccessRole.ADMIN) as admin:
        url = f"/api/v1/recordings/{lecture.id}/rights"
        assert (await admin.patch(url, json={"visibility": "course"})).status_code == 200
    assert read_visibility(lecture.folder, default) is Visibility.COURSE


async def test_who_may_see_it_is_one_decision(room: Any, connect: Any, lecture: Recording) -> None:
    base = f"/api/v1/recordings/{lecture.id}"
    async with connect(AccessRole.ADMIN) as admin:

        async def both() -> tuple[str, str]:
            here = (await admin.get(f"{base}/visibility")).json()["visibility"]
            return here, (await admin.get(f"{base}/rights")).json()["visibility"]

        assert await both() == ("campus", "course")
        for here, published in [("nobody", "private"), ("public", "public"), ("campus", "course")]:
            await admin.put(f"{base}/visibility", json={"visibility": here})
            assert await both() == (here, published)
        await admin.patch(f"{base}/rights", json={"visibility": "course", "language": "en"})
        assert await both() == ("campus", "course"), "what agrees already stays"
        await admin.patch(f"{base}/rights", json={"visibility": "private"})
        assert await both() == ("nobody", "private")
        await admin.patch(f"{base}/rights", json={"visibility": None})
        assert await both() == ("course", "course")

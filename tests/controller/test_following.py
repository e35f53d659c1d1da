"""Cameras that follow: only to their presets, or in short moves that a silent tracker ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from controller import following as module
from controller.config import ConfigError, load
from controller.following import Following
from controller.state import Actor

from .conftest import Room, as_tcp, until
from .turning_camera import Camera, seen, source


async def test_presets_are_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)
    camera = Camera()
    following = Following([source(7, 8, 9)], camera)
    for middle in (0.5, 0.6, 0.9, 0.95, 0.97, 0.5, 0.1, 0.1, 0.1, 0.1):
        following.seen(seen(middle))
        await asyncio.sleep(0)
    await following.stop()
    assert camera.sent == [("preset_recall", number) for number in (8, 9, 8, 7)]


async def test_it_pans_until_they_are_in_the_middle() -> None:
    camera = Camera()
    following = Following([source()], camera)
    following.start()
    for middle in (0.5, 0.62, 0.8, 0.75, 0.6, 0.52, 0.5):
        following.seen(seen(middle))
        await asyncio.sleep(0)
    await following.stop()
    assert camera.sent == [("pan_tilt", "right"), ("pan_tilt", "stop")]


async def test_a_move_that_nobody_confirms_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.05)
    camera = Camera()
    following = Following([source()], camera)
    following.start()
    following.seen(seen(0.1))
    await until(lambda: camera.sent[-1:] == [("pan_tilt", "stop")])
    assert camera.sent[0] == ("pan_tilt", "left")
    await following.stop()


async def test_a_long_move_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.1)
    camera = Camera()
    following = Following([source()], camera)
    following.start()

    def stopped() -> bool:
        following.seen(seen(0.1))
        return ("pan_tilt", "stop") in camera.sent

    await until(stopped)
    await following.stop()


async def test_who_moves_it_by_hand_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera()
    following = Following([source()], camera)
    following.manual("other")
    following.seen(seen(0.1))
    following.manual("ptz")
    for _ in range(3):
        following.seen(seen(0.9))
    await following.stop()
    assert camera.sent == [("pan_tilt", "left")]
    monkeypatch.setattr(module, "OURS_AGAIN_S", 0.0)
    again = Following([source()], camera)
    again.manual("ptz")
    again.seen(seen(0.9))
    await again.stop()
    assert camera.sent[-2:] == [("pan_tilt", "right"), ("pan_tilt", "stop")]


def test_the_device_must_be_able_to(tmp_path: Any) -> None:
    room = '[room]\nid = "lab"\nname = "Lab"\n'
    board = (
        '[[devices]]\nid = "board"\nprofile = "samsung/mdc"\ntransport = "serial:///dev/ttyS0"\n'
    )
    for device, said in (("bord", "no device 'bord'"), ("board", "no command 'pan_tilt'")):
        path = tmp_path / "room.toml"
        path.write_text(
            f'{room}{board}[[sources]]\nid = "c"\nrole = "presenter"\nurl = "test:presenter"\n'
            f'follow = "{device}"\n'
        )
        with pytest.raises(ConfigError, match=said):
            load(path)


async def test_whatever_turns_the_camera_is_a_hand(
    open_room: Callable[..., Awaitable[Room]],
    simulate: Callable[..., Awaitable[str]],
    teacher: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A preset of a technician's, while limits are looked for, would be taken for one of them."""
    address = as_tcp(await simulate("visca/raw", "--port", "0"))
    room = await open_room(
        devices=[{"id": "ptz", "profile": "visca/raw", "transport": address}], sources=[]
    )
    turned: list[str] = []
    monkeypatch.setattr(Following, "manual", lambda self, device: turned.append(device))
    for command, value in (("power", True), ("position", 10), ("preset_recall", 2), ("home", None)):
        turned.clear()
        await room.classroom.command(teacher, "ptz", command, value)
        assert turned == (["ptz"] if command != "power" else []), command


@pytest.mark.timeout(180)
async def test_in_class_the_camera_turns_after_the_presenter(
    open_room: Callable[..., Awaitable[Room]],
    simulate: Callable[..., Awaitable[str]],
    teacher: Actor,
) -> None:
    address = as_tcp(await simulate("visca/raw", "--port", "0"))
    room = await open_room(
        devices=[{"id": "ptz", "profile": "visca/raw", "transport": address}],
        sources=[
            {
                "id": "cam",
                "role": "presenter",
                "url": "test:presenter?size=320x180&fps=10",
                "follow": "ptz",
                "follow_presets": [1, 2, 3],
            },
            {"id": "mic", "role": "microphone", "url": "test:speech"},
        ],
    )
    await room.classroom.start_class(teacher)
    await room.recording()
    await room.classroom.command(teacher, "ptz", "power", True)

    def recalled() -> bool:
        wire = room.classroom.traffic("ptz")
        return any("04 3F 02" in one.data.upper() for one in wire)

    await until(recalled, 60)
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()


def test_the_tracker_knows_when_the_camera_turns() -> None:
    from recorder.engines.tracking import Tracker

    dice = np.random.default_rng(3)
    room = np.repeat(np.repeat(dice.integers(60, 200, (18, 64)), 10, 0), 10, 1).astype(np.uint8)
    tracker = Tracker(moves=True)
    at = 60

    def look(number: int, turned: int) -> Any:
        picture = room[:, turned : turned + 320].copy()
        left = at + round(5 * np.sin(number))
        picture[60:160, left : left + 24] = 20
        return tracker.look(number * 150_000, picture)

    for number in range(30):
        person = look(number, 40)
    before = person.centre
    at = 60 - 64  # the camera turns by 64 pixels: they stand farther to the left
    at = max(2, at + 10)
    for number in range(30, 46):
        person = look(number, min(104, 40 + (number - 29) * 8))
    assert person is not None
    assert person.centre < before

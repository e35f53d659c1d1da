"""How far a camera that follows may turn, and where it goes when nobody is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controller import following as module
from controller import limits
from controller.following import Following
from devices.manager import UnknownCommand

from .conftest import until
from .turning_camera import Camera, seen, source


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for long; the camera turns as it always does."""
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)
    monkeypatch.setattr(module, "_SETTLE_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    monkeypatch.setattr(limits, "_STEP_S", 0.05)


async def test_it_never_leaves_what_its_limits_hold(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera()
    monkeypatch.setattr(Following, "_now", staticmethod(camera.time.now))
    camera.place(1, -150)
    camera.place(2, 150)
    camera.head.put("position", 900)
    following = Following([source(follow_limits=[1, 2], follow_home=2)], camera)
    following.seen(seen(0.9))
    await until(lambda: camera.sent == [("preset_recall", preset) for preset in (1, 2, 2)])
    camera.been.clear()
    for middle, way, end in ((0.05, "left", -150), (0.95, "right", 150)):
        camera.sent.clear()

        def stopped(middle: float = middle) -> bool:
            following.seen(seen(middle))
            return camera.sent[-1:] == [("pan_tilt", "stop")]

        await until(stopped)
        assert camera.sent == [("pan_tilt", way), ("pan_tilt", "stop")]
        assert abs(camera.head.reading()["position"] - end) < 70  # a look ahead, and a step
        stood = camera.head.reading()["position"]
        camera.time.t += 10
        assert camera.head.reading()["position"] == stood
    await following.stop()
    assert all(-150 <= pan <= 150 for pan in camera.been)
    assert len(camera.been) > 20


@pytest.mark.parametrize("at", (0, 70))
async def test_it_keeps_its_limits_when_it_answers_slowly(
    quick: None, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    camera = Camera()
    monkeypatch.setattr(Following, "_now", staticmethod(camera.time.now))
    camera.place(1, -300)
    camera.place(2, 300)
    following = Following([source(follow_limits=[1, 2], follow_home=1)], camera)
    following.seen(seen(0.5))
    await until(lambda: len(camera.sent) == 3)
    camera.head.put("position", at)
    camera.answer_s = 0.5
    following.seen(seen(0.95))
    await until(lambda: camera.sent[-1] == ("pan_tilt", "stop"))
    await following.stop()
    assert at < camera.head.reading()["position"] <= 300


async def test_no_room_above_means_no_move_up(quick: None) -> None:
    """Both limits stand at one height, so the camera does not tilt."""
    camera = Camera()
    camera.place(1, -40, 10)
    camera.place(2, 40, 10)
    following = Following([source(follow_limits=[1, 2])], camera)
    following.seen(seen(0.5))
    await until(lambda: ("home", None) in camera.sent)
    for _ in range(3):
        following.seen(seen(0.5, top=0.6))
        await asyncio.sleep(0)
    await following.stop()
    assert not [command for command, _ in camera.sent if command == "pan_tilt"]


async def test_a_camera_that_may_not_go_the_other_way_stops_going_the_first(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limits stand at one height, and the presenter bows while it pans."""
    camera = Camera()
    monkeypatch.setattr(Following, "_now", staticmethod(camera.time.now))
    camera.place(1, -90)
    camera.place(2, 90)
    following = Following([source(follow_limits=[1, 2], follow_home=2)], camera)
    following.seen(seen(0.5))
    await until(lambda: len(camera.sent) == 3)
    following.seen(seen(0.05))
    await until(lambda: camera.sent[-1] == ("pan_tilt", "left"))
    following.seen(seen(0.5, top=0.6))
    await until(lambda: camera.sent[-1] == ("pan_tilt", "stop"))
    await following.stop()


async def test_a_camera_that_does_not_tell_is_only_sent_to_its_limits(quick: None) -> None:
    camera = Camera(tells=False)
    following = Following([source(follow_limits=[4, 5])], camera)
    following.seen(seen(0.5))
    await until(lambda: len(camera.sent) == 2)

    def sent() -> bool:
        following.seen(seen(0.1))
        return len(camera.sent) > 2

    await until(sent)
    await following.stop()
    assert camera.sent[:3] == [("preset_recall", 4), ("preset_recall", 5), ("preset_recall", 4)]


async def test_one_lost_answer_does_not_make_it_a_camera_that_does_not_tell(quick: None) -> None:
    camera = Camera(tells=False)
    camera.place(1, -90)
    camera.place(2, 90)
    following = Following([source(follow_limits=[1, 2], follow_home=2)], camera)
    following.seen(seen(0.5))
    await until(lambda: camera.been)
    camera.tells = True

    def turned() -> bool:
        following.seen(seen(0.1))
        return ("pan_tilt", "left") in camera.sent

    await until(turned)
    await following.stop()


async def test_when_nobody_moves_for_a_while_it_goes_home_once(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOST_S", 0.1)
    camera = Camera()
    following = Following([source(follow_home=9)], camera)
    following.start()

    def home() -> bool:
        following.seen(seen(0.1, moving=not camera.sent))
        return ("preset_recall", 9) in camera.sent

    await until(home)
    for _ in range(3):
        following.seen(seen(0.1, moving=False))
        await asyncio.sleep(0)
    assert camera.sent.count(("preset_recall", 9)) == 1
    assert camera.sent[-1] == ("preset_recall", 9), "who isn't there isn't followed"
    following.seen(seen(0.1))
    await following.stop()
    assert ("pan_tilt", "left") in camera.sent[camera.sent.index(("preset_recall", 9)) :]


async def test_a_hand_breaks_the_search_for_limits_off(quick: None) -> None:
    camera = Camera()
    camera.place(1, -900)
    camera.place(2, 900)
    following = Following([source(follow_limits=[1, 2])], camera)
    following.seen(seen(0.5))
    await until(lambda: bool(camera.sent))
    following.manual("ptz")
    for _ in range(3):
        following.seen(seen(0.9))
        await asyncio.sleep(0.02)
    await following.stop()
    assert camera.sent == [("preset_recall", 1)]


async def test_a_search_that_a_hand_forbade_or_that_failed_is_begun_again(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OURS_AGAIN_S", 0.0)
    monkeypatch.setattr(module, "LATER_S", 0.0)
    camera, send = Camera(), Camera.send
    camera.place(1, -90)
    camera.place(2, 90)
    following = Following([source(follow_limits=[1, 2], follow_home=2)], camera)
    following.seen(seen(0.5))
    following.manual("ptz")  # before it has begun
    failed: list[str] = []

    async def send_later(self: Camera, device: str, command: str, value: Any = None) -> None:
        if not failed:
            failed.append(command)
            raise UnknownCommand("it isn't known yet what it is")
        await send(self, device, command, value)

    monkeypatch.setattr(Camera, "send", send_later)

    def found() -> bool:
        following.seen(seen(0.5))
        return len(camera.sent) == 3

    await until(found)
    await following.stop()
    assert failed and camera.sent == [("preset_recall", preset) for preset in (1, 2, 2)]


async def test_it_does_not_go_home_while_it_looks_for_its_limits(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would take its home for one of them."""
    camera, read, answers = Camera(), Camera.read, asyncio.Event()
    camera.place(1, -90)
    camera.place(2, 90)
    looks = 0

    def now() -> float:
        nonlocal looks
        looks += 1
        return camera.time.t

    async def read_slowly(self: Camera, device: str, command: str) -> float | None:
        await answers.wait()
        return await read(self, device, command)

    monkeypatch.setattr(Following, "_now", staticmethod(now))
    monkeypatch.setattr(Camera, "read", read_slowly)
    following = Following([source(follow_limits=[1, 2], follow_home=2)], camera)
    following.start()
    following.seen(seen(0.5))
    await until(lambda: camera.sent)
    camera.time.t += 2 * module.LOST_S
    looks = 0
    await until(lambda: looks > 3)
    assert camera.sent == [("preset_recall", 1)]
    answers.set()
    await until(lambda: len(camera.sent) >= 3)
    await following.stop()
    assert camera.sent[:3] == [("preset_recall", preset) for preset in (1, 2, 2)]


def test_one_limit_is_none() -> None:
    with pytest.raises(ValueError, match="two presets at least"):
        source(follow_limits=[1])

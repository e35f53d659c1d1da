"""Cameras that follow: only to their presets, or in short moves that a silent tracker ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from controller import following as module
from controller import limits
from controller.config import ConfigError, load
from controller.following import Following
from controller.state import Actor
from devices.clock import Clock
from devices.simulated_head import SimulatedHead
from firmware_profiles.schema import Axis, Head
from recorder.recording import SourceSpec

from .conftest import Room, as_tcp, until


class Time(Clock):
    """Goes on by each question to the camera: nothing hangs on how busy the machine is."""

    t = 0.0

    def now(self) -> float:
        return self.t


class Camera:
    """A camera's head; `tells` whether it can be asked where it stands."""

    def __init__(self, *, tells: bool = True) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.tells = tells
        self.time = Time()
        axes = Axis(low=-1000, high=1000, rate=20), Axis(low=-100, high=100, rate=20)
        self.head = SimulatedHead(Head(pan=axes[0], tilt=axes[1]), self.time)
        self.been: list[float] = []

    async def send(self, device: str, command: str, value: Any = None) -> None:
        assert device == "ptz"
        self.sent.append((command, value))
        self.head.told(command, value, {"pan_speed": 8, "tilt_speed": 8})

    async def read(self, device: str, command: str) -> float | None:
        self.time.t += 0.05
        self.been.append(self.head.reading()["position"])
        return self.head.reading()[command] if self.tells else None

    def place(self, preset: int, pan: float, tilt: float = 0) -> None:
        self.head.put("position", pan)
        self.head.put("tilt_position", tilt)
        self.head.told("preset_set", preset, {})


def source(*presets: int, **more: Any) -> SourceSpec:
    return SourceSpec.model_validate(
        {
            "id": "cam",
            "role": "presenter",
            "url": "test:presenter",
            "follow": "ptz",
            "follow_presets": presets,
            **more,
        }
    )


def seen(middle: float, top: float = 0.2, *, moving: bool = True) -> dict[str, Any]:
    return {"source": "cam", "x": middle - 0.04, "y": top, "w": 0.08, "h": 0.4, "moving": moving}


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


def test_one_limit_is_none() -> None:
    with pytest.raises(ValueError, match="two presets at least"):
        source(follow_limits=[1])


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

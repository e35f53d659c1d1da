"""Composing in an array library: the standard's functions alone, and memory when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import array_api_strict
import av
import numpy as np
import pytest

from recorder import layouts
from recorder.engines import composing, spaces
from recorder.engines.canvas import Canvas
from recorder.engines.picture import planes_of
from recorder.engines.spaces import Space
from recorder.layouts import Box
from recorder.program import PartFacts, died_on_a_device

STRICT = Space("array_api_strict", array_api_strict)
SIZES = [((90, 160), (360, 640)), ((360, 640), (270, 480)), ((361, 643), (90, 161))]


class Breaking(Space):
    """Works until the `after`-th copy to or from it."""

    def __init__(self, after: int) -> None:
        super().__init__("breaking", array_api_strict)
        object.__setattr__(self, "left", after)

    def _count(self) -> None:
        left = vars(self)["left"] - 1
        object.__setattr__(self, "left", left)
        if left < 0:
            raise RuntimeError("the device is gone")

    def upload(self, planes: Any) -> list[Any]:
        self._count()
        return super().upload(planes)

    def download(self, plane: Any, into: Any) -> None:
        self._count()
        super().download(plane, into)


@pytest.mark.parametrize("library", [np, array_api_strict], ids=lambda xp: str(xp.__name__))
@pytest.mark.parametrize(("size", "wanted"), SIZES)
def test_every_library_scales_as_opencv_does(
    library: ModuleType, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    source = composing.picture(size[1], size[0], 1)[0]
    by_opencv = np.zeros(wanted, np.uint8)
    canvas = [by_opencv, *(np.zeros((wanted[0] // 2, wanted[1] // 2), np.uint8) for _ in range(2))]
    chroma = [source[::2, ::2]] * 2
    box = Box(0, 0, wanted[1] // 2 * 2, wanted[0] // 2 * 2)
    put = layouts.blit(canvas, [source, *chroma], box)
    made = np.from_dlpack(layouts.resized(library.asarray(source), put.height, put.width))
    error = np.abs(made.astype(int) - layouts.cut(by_opencv, put, 1))
    assert error.max() <= 1


def test_what_the_standard_allows_is_enough() -> None:
    assert composing.prove(STRICT, 320, 180, 14) > 0.999


@pytest.mark.parametrize("after", [0, 1, 2, 4, 25, 40, 44, 45, 46, 60])
def test_memory_takes_over_at_any_moment_and_nothing_is_missing(after: int) -> None:
    steps = 12
    canvas, memory = Canvas(320, 180, Breaking(after)), Canvas(320, 180)
    for step in range(steps):
        found, wanted = (composing.draw(one, step, steps) for one in (canvas, memory))
        assert min(composing.ssim(a, b) for a, b in zip(found, wanted, strict=True)) > 0.999
    assert canvas.lost == "breaking: the device is gone"


def test_a_lecture_survives_the_loss_of_its_device(tmp_path: Path, kit: Any) -> None:
    """The same frames at the same times, and the same picture."""
    told = [(1.0, "layout", {"layout": "side-by-side"}), (3.0, "finish", {})]
    messages, lectures = kit.feed(3, told), []
    for name, space in (("memory", None), ("device", Breaking(120))):
        path = tmp_path / f"{name}.mp4"
        program = kit.make(path, messages, space=space)
        assert (program.compositor.canvas.lost is None) == (space is None)
        with av.open(str(path)) as container:
            lectures.append([(f.pts, planes_of(f)[0].copy()) for f in container.decode(video=0)])
    memory, device = lectures
    assert [pts for pts, _ in memory] == [pts for pts, _ in device]
    alike = [composing.ssim(a, b) for (_, a), (_, b) in zip(memory, device, strict=True)]
    assert min(alike) > 0.99


def test_a_space_is_believed_only_after_a_child_has_composed_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "recorder.engines.composing", "no_such_library"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "no_such_library" in told.stderr
    node = tmp_path / "node"
    monkeypatch.setattr(spaces, "SPACES", {"array_api_strict": str(node)})
    spaces.works.cache_clear()
    assert spaces.choose() is None
    assert spaces.missing("array_api_strict") == f"no {node}"
    node.touch()
    assert spaces.choose() == STRICT
    monkeypatch.setattr(spaces, "SPACES", {"no_such_library": str(node)})
    assert spaces.choose() is None


def test_the_proof_sees_a_wrong_picture() -> None:
    class Dark(Space):
        def download(self, plane: Any, into: Any) -> None:
            super().download(plane, into)
            into[...] //= 2

    assert composing.prove(Dark("dark", array_api_strict), 160, 90, 4) < 0.9


def test_a_process_that_a_driver_took_down_is_followed_by_one_without_it(tmp_path: Path) -> None:
    ended = PartFacts(1, "lecture-001.mp4", 0.0, to=4.0, devices=["cupy"])
    (tmp_path / "lecture-001.json").write_text(json.dumps(ended.dump()))
    (tmp_path / "lecture-002.json").write_text("torn")
    assert not died_on_a_device(tmp_path)
    died = PartFacts(3, "lecture-003.mp4", 4.0)
    for devices, told in (([], False), (["cupy"], True)):
        died.devices = devices
        (tmp_path / "lecture-003.json").write_text(json.dumps(died.dump()))
        assert died_on_a_device(tmp_path) is told

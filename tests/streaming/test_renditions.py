"""Smaller pictures: of the same time as the large ones, made when asked for, ended when not."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from streaming import renditions
from streaming.access import Visibility
from streaming.index import FileIndex
from streaming.renditions import RenditionError, Renditions, size_of


@pytest.fixture
def lecture(tmp_path: Path, make_live: Any) -> FileIndex:
    """A part of eight seconds, 640x480, whose last segment is still open."""
    maker = make_live(tmp_path / "part.mp4", tmp_path / "live.mp4", size=(640, 480))
    maker.write(8.0)
    index = FileIndex(tmp_path / "part.mp4")
    index.refresh()
    assert len(index.segments) >= 3
    return index


def _frames(data: bytes) -> list[tuple[str, float, int]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.__class__.__name__, round(frame.time, 2), getattr(frame, "height", 0))
            for frame in container.decode()
        ]


async def test_a_small_segment_has_the_times_of_the_large_one(lecture: FileIndex) -> None:
    making = Renditions(busy=1000.0)
    assert making.offered(480) == ["360p", "180p"]
    assert making.offered(240) == ["180p"]
    assert lecture.init is not None
    init, folder = lecture.init.data, Path("x")
    try:
        small = await making.get((folder, "180p", -1), init, b"")
        for number in (0, 1):
            stretch = lecture.segments[number]
            data = lecture.read(stretch.offset, stretch.size)
            made = await making.get((folder, "180p", number), init, data)
            assert len(made) < len(data)
            large, little = _frames(init + data), _frames(small + made)
            assert sorted(one[:2] for one in large) == sorted(one[:2] for one in little)
            assert {one[2] for one in little} == {180, 0}
        # Two segments after one another are one stream.
        second = await making.get((folder, "180p", 1), init, b"unused")
        first = await making.get((folder, "180p", 0), init, b"unused")
        pictures = [one for one in _frames(small + first + second) if one[0] == "VideoFrame"]
        assert [one[1] for one in pictures] == sorted(one[1] for one in pictures)
        with pytest.raises(RenditionError):
            await making.get((folder, "360p", 7), init, b"this is no segment at all")
        assert await making.get((folder, "360p", -1), init, b"")
    finally:
        await making.close()
    assert size_of(360, 1920, 1080) == (640, 360)


async def test_nothing_runs_while_nobody_asks(
    lecture: FileIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renditions, "IDLE_S", 1.0)
    making = Renditions(busy=1000.0)
    assert not making.running
    assert lecture.init is not None
    await making.get((Path("x"), "180p", -1), lecture.init.data, b"")
    assert making.running
    async with asyncio.timeout(30):
        while making.running:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await making.close()


async def test_closing_waits_for_a_child_that_is_being_ended(lecture: FileIndex) -> None:
    making = Renditions(busy=1000.0)
    assert lecture.init is not None
    await making.get((Path("x"), "180p", -1), lecture.init.data, b"")
    child = making._child
    assert child is not None
    ending = asyncio.create_task(making._end())  # as when nobody has asked for a while
    await asyncio.sleep(0)
    await making.close()
    assert child.returncode is not None
    await ending


async def test_a_busy_machine_offers_none() -> None:
    assert Renditions(busy=-1.0).offered(1080) == []


async def test_the_master_playlist_lists_what_can_be_had(hall: Any, make_live: Any) -> None:
    recording = hall.begin(width=640, height=480)
    part = recording.products / "parts" / "lecture-001.mp4"
    recording.live.mkdir(exist_ok=True)
    maker = make_live(part, recording.live / "program.mp4", size=(640, 480))
    (part.with_suffix(".json")).write_text('{"part": 1, "file": "lecture-001.mp4", "from": 0.0}')
    maker.write(6.0)
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    hall.live.renditions = Renditions(busy=1000.0)
    base = f"http://{await hall.serve()}/api/v1/live/{recording.id}/hls"
    async with httpx.AsyncClient(timeout=60) as http:
        master = (await http.get(f"{base}/index.m3u8")).text
        assert "RESOLUTION=480x360" in master
        assert "RESOLUTION=240x180" in master
        playlist = (await http.get(f"{base}/180p/index.m3u8")).text
        assert playlist == (await http.get(f"{base}/program/index.m3u8")).text
        init = (await http.get(f"{base}/180p/init-1.mp4")).content
        answer = await http.get(f"{base}/180p/0.m4s")
        assert "immutable" in answer.headers["cache-control"]
        assert {one[2] for one in _frames(init + answer.content)} == {180, 0}
        assert (await http.get(f"{base}/180p/99.m4s")).status_code == 404
        assert (await http.get(f"{base}/90p/0.m4s")).status_code == 404

"""HLS is made of the lecture's own bytes: it grows, survives restarts and pauses, and ends."""

from __future__ import annotations

import asyncio
import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recorder.recording import ProgramSpec, Recording, Role, SourceSpec, create
from streaming.fragments import FragmentReader, Init
from streaming.hls import HlsError, HlsStream, Playlist, Timeline, class_second
from streaming.index import FileIndex
from streaming.live import SOUND, LiveRoom
from streaming.sound import sound_init, sound_segment


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return create(
        tmp_path,
        session="s1",
        room="lab",
        title="Optics",
        course="PHY1",
        sources=[SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter")],
        program=ProgramSpec(width=320, height=180, fps=25, live=True),
    )


def begin(recording: Recording, make_live: Any, part: int, start: float) -> Any:
    parts = recording.products / "parts"
    maker = make_live(parts / f"lecture-{part:03d}.mp4", recording.live / "program.mp4")
    facts = {"part": part, "file": f"lecture-{part:03d}.mp4", "from": start}
    (parts / f"lecture-{part:03d}.json").write_text(json.dumps(facts))
    return maker


def test_the_playlist_grows_and_ends(recording: Recording, make_live: Any, decoded: Any) -> None:
    timeline = Timeline(recording.folder)
    timeline.refresh()
    assert timeline.segments == []
    maker = begin(recording, make_live, 1, 0.5)
    maker.write(5.5)
    timeline.refresh()
    playlist = Playlist(timeline)
    first = playlist.text()
    assert [round(s.stretch.duration, 3) for s in timeline.segments] == [2.0, 2.0]
    assert first.splitlines()[-1] == "1.m4s"
    maker.write(4.0)
    timeline.refresh()
    grown = playlist.text()
    assert grown.startswith(first)
    assert len(timeline.segments) == 4
    maker.close()
    (recording.products / "parts" / "lecture-001.mp4").rename(recording.lecture)
    recording.update(life="ready", duration_s=9.5)
    timeline.refresh()
    ended = playlist.text()
    assert ended.startswith(grown)
    assert ended.endswith("#EXT-X-ENDLIST\n")
    assert sum(s.stretch.duration for s in timeline.segments) == pytest.approx(9.5, abs=0.1)
    date = timeline.segments[0].date
    assert date == recording.manifest.started + timedelta(seconds=0.5)
    init = timeline.read_init(1)
    total = 0
    for segment in timeline.segments:
        pictures, sounds = decoded(init.data + timeline.read(segment.number))
        assert sounds > 0
        total += pictures
    assert total == 238  # 5.5 s and 4 s at 25 pictures per second, rounded as the maker rounds


async def test_nobody_waits_for_a_stream_that_is_closed_or_cannot_be_read(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = HlsStream(recording.folder)
    waiting = asyncio.create_task(stream.until(0, timeout=600))
    async with asyncio.timeout(30):
        while stream._looking is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stream.close()
        assert await waiting is False

    readable = [True]

    async def refresh(_: HlsStream) -> None:
        if not readable:
            raise OSError("the disk has gone")
        readable.pop()

    monkeypatch.setattr(HlsStream, "refresh", refresh)
    unreadable = HlsStream(recording.folder)
    assert await asyncio.wait_for(unreadable.until(0, timeout=0.1), 30) is False


def test_a_restart_and_a_pause_are_discontinuities(recording: Recording, make_live: Any) -> None:
    maker = begin(recording, make_live, 1, 0.0)
    recording.mark("pause", 4.0)
    recording.mark("resume", 34.0)
    maker.write(8.5)
    maker.close()
    maker = begin(recording, make_live, 2, 45.0)
    maker.write(4.5)
    timeline = Timeline(recording.folder)
    timeline.refresh()
    started = recording.manifest.started
    told = [
        (s.part, round(s.stretch.start, 2), s.discontinuity, s.date and (s.date - started))
        for s in timeline.segments
    ]
    assert told == [
        (1, 0.0, False, timedelta(0)),
        (1, 2.0, False, None),
        (1, 4.0, True, timedelta(seconds=34)),
        (1, 6.0, False, None),
        (1, 8.0, False, None),
        (2, 0.0, True, timedelta(seconds=45)),
    ]
    lines = Playlist(timeline).text().splitlines()
    assert lines.count("#EXT-X-DISCONTINUITY") == 2
    assert '#EXT-X-MAP:URI="init-1.mp4"' in lines
    assert '#EXT-X-MAP:URI="init-2.mp4"' in lines


def test_a_delta_leaves_out_what_lies_far_back(recording: Recording, make_live: Any) -> None:
    maker = begin(recording, make_live, 1, 0.0)
    maker.write(40.5)
    timeline = Timeline(recording.folder)
    timeline.refresh()
    playlist = Playlist(timeline)
    whole, delta = playlist.text().splitlines(), playlist.text(skip=True).splitlines()
    skipped = next(line for line in delta if line.startswith("#EXT-X-SKIP"))
    count = int(skipped.partition("=")[2])
    assert count == len(timeline.segments) - 13
    assert [line for line in delta if line.endswith(".m4s")] == [
        line for line in whole if line.endswith(".m4s")
    ][count:]


def test_a_closed_lecture_is_indexed_like_a_growing_one(make_live: Any, tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    maker = make_live(path, tmp_path / "live.mp4")
    maker.write(6.5)
    growing = FileIndex(path)
    growing.refresh()
    maker.close()
    closed = FileIndex(path)
    closed.refresh()
    closed.flush()
    assert growing.init == closed.init
    assert closed.segments[: len(growing.segments)] == growing.segments
    assert closed.segments[-1].end == pytest.approx(6.5, abs=0.1)
    last = closed.segments[-1]
    pieces = FragmentReader().feed(closed.init.data + closed.read(last.offset, last.size))
    assert pieces[-1].end == pytest.approx(6.5, abs=0.1)


def test_damage_ends_an_index_without_an_error(part_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    for at in range(0, len(part_bytes), 997):
        path.write_bytes(part_bytes[:at] + b"\x00\x00\x00\x03moof" + part_bytes[at + 8 :])
        index = FileIndex(path)
        index.refresh()
        index.flush()
        index.close()


def test_sound_alone_is_cut_out_of_the_same_bytes(part_bytes: bytes, decoded: Any) -> None:
    pieces = FragmentReader().feed(part_bytes)
    init = pieces[0]
    assert isinstance(init, Init)
    _, sounds = decoded(part_bytes)
    fragments = b"".join(piece.data for piece in pieces[1:])
    alone = sound_init(init) + sound_segment(init, fragments, 1)
    assert decoded(alone) == (0, sounds)
    assert len(alone) < len(part_bytes)


def test_the_master_playlist_names_every_rendition(
    recording: Recording, make_live: Any, decoded: Any
) -> None:
    live = LiveRoom(b"k" * 32)
    with pytest.raises(HlsError):
        live.master(recording.folder, "me")
    begin(recording, make_live, 1, 0.0).write(5.0)
    live.stream(recording.folder).timeline.refresh()
    master = live.master(recording.folder, "me")
    assert "RESOLUTION=320x180" in master
    assert "program/index.m3u8?viewer=me" in master
    assert "sound/index.m3u8?viewer=me" in master
    sound = live.read_init(recording.folder, SOUND, 1) + live.read_segment(
        recording.folder, SOUND, 0
    )
    assert decoded(sound)[0] == 0
    assert decoded(sound)[1] > 80
    with pytest.raises(HlsError):
        live.read_segment(recording.folder, "program", 99)


def test_lecture_time_becomes_class_time() -> None:
    spans = [(0.0, 10.0), (30.0, 40.0), (60.0, math.inf)]
    assert class_second(5.0, 0.0, spans) == 5.0
    assert class_second(10.0, 0.0, spans) == 30.0
    assert class_second(25.0, 0.0, spans) == 65.0
    assert class_second(3.0, 38.0, spans) == 61.0

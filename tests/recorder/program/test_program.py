"""The program, fed with a generated class and judged by what stands in the file."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import feed
from recorder.engines.lecture import Program
from recorder.production.measure import check, find_beeps, measure_av_offset
from recorder.program import Inbox
from recorder.recording import Layout, ProgramSpec, SourceSpec, create


def luma(path: Path, at: float) -> np.ndarray[Any, Any]:
    """The brightness of the picture shown `at` seconds into the file."""
    shown = None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time > at:
                break
            shown = frame.to_ndarray()[: frame.height]
    assert shown is not None
    return shown


def test_a_class_becomes_a_whole_lecture_in_step(lecture: Path) -> None:
    checked = check(lecture)
    assert checked.whole
    assert checked.duration == pytest.approx(11, abs=0.1)
    assert checked.video_duration == pytest.approx(11, abs=0.05)
    offset = measure_av_offset(lecture)
    assert offset.pairs >= 3
    assert abs(offset.worst_ms) < 40


def test_chapters_begin_where_pages_turn(lecture: Path) -> None:
    with av.open(str(lecture)) as container:
        chapters = container.chapters()
    starts = [float(chapter["start"] * chapter["time_base"]) for chapter in chapters]
    assert starts == [0, pytest.approx(7, abs=0.2)]
    assert [chapter["metadata"]["title"] for chapter in chapters] == ["Start", "Slide 2"]


def test_a_page_turn_is_a_key_frame(lecture: Path) -> None:
    with av.open(str(lecture)) as container:
        keys = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.is_keyframe and packet.pts is not None
        ]
    assert any(abs(key - 5.4) < 0.1 for key in keys)  # after the crossfade of the layout


def test_a_layout_change_is_seen(lecture: Path) -> None:
    before, after = luma(lecture, 4.5), luma(lecture, 6.5)
    assert before[200, 60] > 200  # the slide's white paper
    assert after[200, 400] < 170  # the presenter's wall
    between = luma(lecture, 5.2)
    assert after[100, 400] < between[100, 400] < before[100, 400]  # the crossfade


def test_the_file_is_an_ordinary_mp4_after_close(lecture: Path) -> None:
    boxes, data, at = [], lecture.read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        boxes.append(data[at + 4 : at + 8])
        at += size if size > 1 else int.from_bytes(data[at + 8 : at + 16], "big")
    assert b"moov" in boxes
    assert b"moof" not in boxes


def test_a_pause_is_cut_and_what_was_filmed_in_it_is_never_shown(tmp_path: Path, kit: Any) -> None:
    commands = [(3.0, "pause", {}), (8.5, "resume", {}), (11.0, "finish", {})]
    messages = kit.without(kit.feed(11, commands), 3.0, 8.5)
    path = tmp_path / "paused.mp4"
    program = kit.make(path, messages)
    checked = check(path)
    assert checked.whole
    assert checked.duration == pytest.approx(5.5, abs=0.1)
    assert program.spans() == [(0, 3), (8.5, 11)]
    # The page turned at 7 s, in the pause: it is shown from the first picture after it.
    assert abs(float(luma(path, 2.9)[20, 600]) - float(luma(path, 3.1)[20, 600])) < 6
    assert any(chapter.title == "Resumed" for chapter in program.chapters()) is False  # too close
    beeps = find_beeps(path)
    assert beeps[-1] == pytest.approx(4.5, abs=0.02)  # class time 10


def test_a_pause_without_any_tick_in_it(tmp_path: Path, kit: Any) -> None:
    commands = [(4.0, "pause", {}), (10.0, "resume", {}), (11.0, "finish", {})]
    messages = [
        message
        for message in kit.without(kit.feed(11, commands), 4.0, 10.0)
        if not (isinstance(message, feed.Tick) and 4_000_000 < message.now < 10_000_000)
    ]
    path = tmp_path / "silent-pause.mp4"
    kit.make(path, messages)
    assert check(path).duration == pytest.approx(5, abs=0.1)
    assert abs(measure_av_offset(path).worst_ms) < 40


def test_end_taken_back_goes_on(tmp_path: Path, kit: Any) -> None:
    commands = [(3.0, "hold", {}), (5.0, "release", {}), (6.0, "finish", {})]
    path = tmp_path / "released.mp4"
    kit.make(path, kit.feed(6, commands))
    checked = check(path)
    assert checked.whole
    assert checked.duration == pytest.approx(6, abs=0.1)
    assert len(find_beeps(path)) == 3


def test_end_is_exact_though_the_class_went_on(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "held.mp4"
    kit.make(path, kit.feed(8, [(5.0, "hold", {}), (8.0, "finish", {})]))
    checked = check(path)
    assert checked.whole
    assert checked.duration == pytest.approx(5, abs=0.05)
    assert checked.video_duration == pytest.approx(5, abs=0.05)


def test_end_in_a_pause(tmp_path: Path, kit: Any) -> None:
    commands = [(3.0, "pause", {}), (5.0, "hold", {}), (6.0, "finish", {})]
    path = tmp_path / "ended-paused.mp4"
    kit.make(path, kit.without(kit.feed(6, commands), 3.0, 6.0))
    assert check(path).duration == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("live", [False, True])
def test_a_part_without_a_moment_of_lecture_leaves_no_file(
    tmp_path: Path, kit: Any, live: bool
) -> None:
    spec = kit.SPEC.model_copy(update={"live": live})
    path, stream = tmp_path / "part.mp4", tmp_path / "live.mp4"
    program = Program(path, spec, "auto", 0, live=stream if live else None)
    for command in ("pause", "finish"):
        program.take(feed.Command(command, {"t": 0.0}))
    assert program.finished and not path.exists() and program.writer.end == 0


def test_without_a_microphone_the_silence_has_its_length(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "mute.mp4"
    kit.make(path, kit.feed(3, [(3.0, "finish", {})], sources=(0, 1)))
    checked = check(path)
    assert checked.whole
    assert checked.audio_duration == pytest.approx(3, abs=0.05)


def test_without_any_source_there_is_still_a_lecture(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "nothing.mp4"
    messages = [feed.Tick(100_000 * number) for number in range(1, 21)]
    kit.make(path, [*messages, feed.Command("finish", {"t": 2.0})])
    assert check(path).whole
    assert check(path).duration == pytest.approx(2, abs=0.1)


def test_a_lost_camera_gives_way_to_a_card_and_comes_back(tmp_path: Path, kit: Any) -> None:
    messages = [
        message
        for message in kit.feed(11, [(11.0, "finish", {})])
        if not (
            isinstance(message, feed.FeedPacket)
            and message.index == 0
            and 2_000_000 < message.pts < 8_000_000
        )
    ]
    path = tmp_path / "lost.mp4"
    kit.make(path, messages)
    inset = np.s_[270:340, 480:620]
    assert luma(path, 6.5)[inset].mean() < 60  # the card
    assert luma(path, 9.5)[inset].mean() > 70  # the camera again
    assert check(path).whole


def test_a_damaged_packet_costs_a_picture_not_the_lecture(tmp_path: Path, kit: Any) -> None:
    def damaged(message: feed.Message) -> feed.Message:
        if isinstance(message, feed.FeedPacket) and 1_000_000 < message.pts < 2_000_000:
            data = bytes(byte ^ 0x5A for byte in message.data)
            return feed.FeedPacket(
                message.index, message.pts, message.dts, message.duration, data, message.key
            )
        return message

    path = tmp_path / "damaged.mp4"
    kit.make(path, [damaged(message) for message in kit.feed(4, [(4.0, "finish", {})])])
    assert check(path).whole
    assert check(path).duration == pytest.approx(4, abs=0.1)


def test_a_stream_that_nobody_can_decode_is_left_out(tmp_path: Path, kit: Any) -> None:
    strange = [
        feed.StreamInfo(7, "x", "slides", "video", "no_such_codec", "00"),
        feed.StreamInfo(8, "y", "microphone", "audio", "aac", "not hex"),
        feed.FeedPacket(7, 100_000, 100_000, 40_000, b"data", True),
        feed.FeedPacket(8, 100_000, 100_000, 40_000, b"data", True),
        feed.StreamInfo(9, "z", "presenter", "video", "h264", "0102"),
        feed.FeedPacket(9, 100_000, 100_000, 40_000, b"data", True),
    ]
    path = tmp_path / "strange.mp4"
    kit.make(path, [*strange, *kit.feed(3, [(3.0, "finish", {})], sources=(1, 2))])
    assert check(path).whole
    assert find_beeps(path)


def test_every_part_has_the_same_header(tmp_path: Path, kit: Any) -> None:
    one, other = tmp_path / "1.mp4", tmp_path / "2.mp4"
    kit.make(one, kit.feed(2, [(2.0, "finish", {})]))
    kit.make(other, kit.feed(3, [(3.0, "finish", {})], sources=(0,)), layout="side-by-side")
    headers = []
    for path in (one, other):
        with av.open(str(path)) as container:
            headers.append([stream.codec_context.extradata for stream in container.streams])
    assert headers[0] == headers[1]


def test_marks_name_chapters(tmp_path: Path, kit: Any) -> None:
    commands = [
        (5.5, "mark", {"kind": "page", "data": {"title": "Kinetic energy"}}),
        (8.0, "finish", {}),
    ]
    program = kit.make(tmp_path / "marks.mp4", kit.feed(8, commands, sources=(0, 2)))
    assert [(c.start, c.title) for c in program.chapters()] == [
        (0, "Start"),
        (5_500_000, "Kinetic energy"),
    ]


def test_short_of_time_it_leaves_out_pictures_never_sound(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "hurried.mp4"
    program = kit.make(path, kit.feed(4, [(4.0, "finish", {})]), due=lambda: 60_000_000)
    assert program.skipped > program.frames
    checked = check(path)
    assert checked.whole
    assert checked.audio_duration == pytest.approx(4, abs=0.05)
    assert len(find_beeps(path)) == 2


def test_late_packets_are_waited_for(tmp_path: Path, kit: Any) -> None:
    """A recorder whose ticks run half a second ahead of its packets loses no sound."""
    messages: list[feed.Message] = [
        feed.Tick(message.now + 500_000) if isinstance(message, feed.Tick) else message
        for message in kit.feed(9, [(9.0, "finish", {})])
    ]
    path = tmp_path / "late.mp4"
    kit.make(path, messages)
    assert len(find_beeps(path)) >= 4
    assert abs(measure_av_offset(path).offset_ms) < 40


def test_a_substream_fills_the_inset_and_the_main_stream_the_whole(
    tmp_path: Path, kit: Any
) -> None:
    program = Program(tmp_path / "sub.mp4", kit.SPEC, "slides+presenter", 0)
    main, packets = kit.clip(0, 11)
    small = feed.StreamInfo(7, "camera", "presenter", "video", "h264", main.extradata, 160, 90, 25)
    slides, pages = kit.clip(1, 11)
    for info in (main, small, slides):
        program.take(info)
    for packet in packets[:50]:
        program.take(packet)
        program.take(
            feed.FeedPacket(7, packet.pts, packet.dts, packet.duration, packet.data, packet.key)
        )
    for packet in pages[:2]:
        program.take(packet)
    compositor = program.compositor
    compositor.compose(1_000_000)
    compositor.compose(1_040_000)
    wanted = {index for index, track in compositor._tracks.items() if track.wanted}
    assert wanted == {slides.index, 7}
    compositor.set_layout("presenter", 1_080_000)
    compositor.compose(1_080_000)
    compositor.compose(1_120_000)
    wanted = {index for index, track in compositor._tracks.items() if track.wanted}
    assert wanted == {slides.index, main.index}


def test_live_is_a_second_file_that_only_grows(tmp_path: Path, kit: Any) -> None:
    live = tmp_path / "program.mp4"
    spec = ProgramSpec(width=320, height=180, fps=25, live=True)
    program = Program(tmp_path / "part.mp4", spec, "slides+presenter", 0, live=live)
    size = 0
    for message in kit.feed(5, [(5.0, "finish", {})]):
        program.take(message)
        now = live.stat().st_size
        assert now >= size
        size = now
    assert check(live).whole
    assert check(live).duration == pytest.approx(5, abs=0.3)
    with av.open(str(live)) as container:
        keys = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.is_keyframe and packet.pts is not None
        ]
    assert max(b - a for a, b in itertools.pairwise(keys)) <= 2.01


def sources(kit: Any) -> list[SourceSpec]:
    return [SourceSpec(id=source, role=role, url=url) for url, source, role in kit.SOURCES]


def run_child(folder: Path, part: int, start: float, data: bytes) -> list[dict[str, Any]]:
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "recorder.program",
            folder,
            "--part",
            str(part),
            "--from",
            str(start),
        ],
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert child.stderr == b""
    return [json.loads(line) for line in child.stdout.splitlines()]


def test_the_child_makes_the_lecture_of_a_whole_part(tmp_path: Path, kit: Any) -> None:
    recording = create(
        tmp_path,
        session="s",
        room="r",
        title="Physics",
        sources=sources(kit),
        layout=Layout.SLIDES_PRESENTER,
        program=ProgramSpec(width=320, height=180, fps=15),
    )
    data = kit.bytes(kit.feed(4, [(4.0, "finish", {})]))
    events = run_child(recording.folder, 0, 0.0, data)
    assert events[0]["event"] == "started"
    finished = events[-1]
    assert finished["event"] == "finished"
    assert finished["lecture"] == "products/lecture.mp4"
    assert finished["parts"][0]["spans"] == [[0.0, 4.0]]
    assert check(recording.lecture).whole
    facts = json.loads((recording.products / "parts" / "lecture-000.json").read_text())
    assert facts["whole"] is True
    assert facts["duration"] == pytest.approx(4, abs=0.1)


def test_the_child_leaves_a_sound_part_when_the_recorder_dies(tmp_path: Path, kit: Any) -> None:
    recording = create(
        tmp_path,
        session="s",
        room="r",
        title="Physics",
        sources=sources(kit),
        layout=Layout.SLIDES_PRESENTER,
        program=ProgramSpec(width=320, height=180, fps=15),
    )
    data = kit.bytes(kit.feed(4))
    run_child(recording.folder, 1, 0.0, data[: len(data) - 7])
    part = recording.products / "parts" / "lecture-001.mp4"
    assert check(part).whole
    assert check(part).duration == pytest.approx(3.7, abs=0.3)


def test_a_damaged_feed_is_told_and_leaves_a_sound_part(tmp_path: Path, kit: Any) -> None:
    recording = create(
        tmp_path,
        session="s",
        room="r",
        title="Physics",
        sources=sources(kit),
        layout=Layout.SLIDES_PRESENTER,
        program=ProgramSpec(width=320, height=180, fps=15),
    )
    events = run_child(recording.folder, 1, 0.0, kit.bytes(kit.feed(2)) + b"\xff" * 40)
    assert events[-1]["event"] == "error"
    assert "not allowed" in events[-1]["detail"]
    assert check(recording.products / "parts" / "lecture-001.mp4").whole


def test_reading_faster_than_the_clock_is_no_reason_to_hurry(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "feed"
    path.write_bytes(kit.bytes(feed.Tick(second * 1_000_000) for second in range(100)))
    with path.open("rb") as stream:
        inbox = Inbox(stream)
        assert len(list(inbox)) == 100
        assert inbox.newest == 99_000_000
        assert inbox.due() < 60_000_000

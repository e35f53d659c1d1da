"""One lecture from whatever the class left: torn parts, missing parts, the tracks alone."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from recorder import feed
from recorder.engines.chapters import Chapter
from recorder.production import finish as finishing
from recorder.production.finish import finish
from recorder.production.joining import probe
from recorder.production.measure import check, find_beeps, measure_av_offset
from recorder.production.package import package
from recorder.production.timeline import Timeline
from recorder.recording import Layout, ProgramSpec, Recording, RecordingError, SourceSpec, create
from recorder.segments import MediaStream, Sample, SegmentWriter, Syncer

SPEC = ProgramSpec(width=320, height=180, fps=25)
SECONDS = 11


def write_track(recording: Recording, kit: Any, number: int, without: tuple[float, float]) -> None:
    """Writes a source's track as the recorder does; nothing is recorded in `without`."""
    info, packets = kit.clip(number, SECONDS)
    stream = MediaStream(
        info.media,
        info.codec,
        bytes.fromhex(info.extradata),
        info.width,
        info.height,
        info.fps,
        info.rate,
        info.channels,
    )
    folder = recording.track(info.source)
    folder.mkdir(parents=True)
    syncer = Syncer()
    begin, end = without[0] * kit.S, without[1] * kit.S
    spans = [(0, begin), (end, SECONDS * kit.S)] if end > begin else [(0, SECONDS * kit.S)]
    for place, (from_, to) in enumerate(spans, 1):
        writer = SegmentWriter(folder / f"{place:06d}.mp4", [stream], syncer)
        started = False
        for packet in packets:
            started = started or (packet.key and packet.pts >= from_)
            if started and from_ <= packet.pts < to:
                writer.write(
                    Sample(
                        0,
                        packet.pts,
                        packet.dts,
                        packet.duration,
                        packet.key,
                        av.Packet(packet.data),
                    )
                )
        writer.close()
    syncer.stop()


def a_class(root: Path, kit: Any, pause: tuple[float, float] = (0, 0)) -> Recording:
    """A recording of eleven seconds whose tracks stand on disk."""
    recording = create(
        root,
        session="s",
        room="r",
        title="Physics",
        sources=[SourceSpec(id=source, role=role, url=url) for url, source, role in kit.SOURCES],
        layout=Layout.SLIDES_PRESENTER,
        program=SPEC,
    )
    for number in range(3):
        write_track(recording, kit, number, pause)
    recording.mark("start", 0)
    if pause[1] > pause[0]:
        recording.mark("pause", pause[0])
        recording.mark("resume", pause[1])
    recording.mark("end", SECONDS)
    recording.update(duration_s=SECONDS - (pause[1] - pause[0]))
    return recording


def start_part(recording: Recording, number: int, start: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "recorder.program", recording.folder),
            *("--part", str(number), "--from", str(start)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def wait_progress(child: subprocess.Popen[bytes], t: float) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["t"] >= t:
            return
    raise AssertionError("the program ended early")


def run_part(
    recording: Recording, number: int, start: float, messages: list[Any], kit: Any
) -> None:
    child = start_part(recording, number, start)
    child.communicate(kit.bytes(messages), timeout=60)


def torn_part(recording: Recording, number: int, kit: Any, until: float) -> None:
    """A program that is killed after `until` seconds."""
    child = start_part(recording, number, 0.0)
    assert child.stdin is not None and child.stdout is not None
    messages = [
        message
        for message in kit.feed(SECONDS)
        if not isinstance(message, feed.Tick) or message.now <= until * kit.S
    ]
    child.stdin.write(kit.bytes(messages))
    child.stdin.flush()
    wait_progress(child, until - 1.3)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    child.stdin.close()
    child.stdout.close()


def test_a_torn_part_and_its_successor_become_one_lecture(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit)
    torn_part(recording, 0, kit, 5.0)
    successor = kit.feed(SECONDS, [(SECONDS, "finish", {})], begin=7.0)
    run_part(recording, 1, 7.0, [m for m in successor if not early(m, 6_000_000)], kit)
    finished = finish(recording)
    assert finished.parts == 2
    assert len(finished.rendered) == 1
    begin, end = finished.rendered[0]
    assert 2.5 < begin < 5.01
    assert end == 7
    checked = check(recording.lecture)
    assert checked.whole
    assert checked.duration == pytest.approx(SECONDS, abs=0.1)
    beeps = find_beeps(recording.lecture)
    assert [round(beep) for beep in beeps if beep > 1] == [2, 4, 6, 8, 10]
    assert abs(measure_av_offset(recording.lecture).worst_ms) < 40
    assert finished.chapters[0] == Chapter(0, "Start")
    assert not list((recording.products / "parts").glob("*.mp4"))


def early(message: feed.Message, t: int) -> bool:
    return isinstance(message, feed.FeedPacket) and message.pts < t


def test_the_lecture_is_made_again_from_the_tracks_alone(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit, pause=(3.0, 6.0))
    recording.mark("layout", 8.0, layout="slides")
    finished = finish(recording)
    assert finished.rendered == [(0, 3), (6, SECONDS)]
    checked = check(recording.lecture)
    assert checked.whole
    assert checked.duration == pytest.approx(8, abs=0.1)
    assert abs(measure_av_offset(recording.lecture).worst_ms) < 40
    assert find_beeps(recording.lecture)[-1] == pytest.approx(7, abs=0.02)  # class time 10


def test_what_was_rendered_is_not_rendered_again(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = a_class(tmp_path, kit, pause=(3.0, 9.0))

    def cut(*_: object) -> float:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(finishing, "join", cut)
        with pytest.raises(OSError, match="power"):
            finish(recording)
    fills = sorted((recording.products / "parts").glob("fill-*.mp4"))
    stamps = [fill.stat().st_mtime_ns for fill in fills]
    assert len(stamps) == 2
    seen: list[list[int]] = []

    def watch(pieces: Any, path: Path, told: Any) -> float:
        seen.append([fill.stat().st_mtime_ns for fill in fills])
        return real(pieces, path, told)

    real = finishing.join
    monkeypatch.setattr(finishing, "join", watch)
    finish(recording)
    assert seen == [stamps]
    assert check(recording.lecture).whole


def test_a_lecture_that_stands_is_left_alone_unless_told(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit, pause=(1.0, 9.0))
    first = finish(recording)
    stamp = recording.lecture.stat().st_mtime_ns
    again = finish(recording)
    assert recording.lecture.stat().st_mtime_ns == stamp
    assert again.chapters == first.chapters
    finish(recording, rebuild=True, layout="presenter")
    assert recording.lecture.stat().st_mtime_ns != stamp
    assert check(recording.lecture).whole


def test_a_torn_segment_gives_what_it_holds(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit)
    segment = recording.track("camera") / "000001.mp4"
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size * 2 // 3])
    finish(recording)
    assert check(recording.lecture).whole
    assert check(recording.lecture).duration == pytest.approx(SECONDS, abs=0.1)


def test_a_class_that_left_nothing_is_told(tmp_path: Path) -> None:
    recording = create(
        tmp_path, session="s", room="r", title="t", sources=[], layout=Layout.SLIDES, program=SPEC
    )
    with pytest.raises(RecordingError, match="nothing to make a lecture of"):
        finish(recording)


def test_the_child_tells_what_it_made(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit, pause=(1.0, 9.0))
    child = subprocess.run(
        [sys.executable, "-m", "recorder.production.finish", recording.folder],
        capture_output=True,
        timeout=60,
        check=True,
    )
    event = json.loads(child.stdout.splitlines()[-1])
    assert event["event"] == "finished"
    assert event["lecture"] == "products/lecture.mp4"
    assert event["duration"] == pytest.approx(3, abs=0.1)


def test_the_package_stands_beside_the_lecture(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit, pause=(3.0, 6.0))
    finish(recording)
    made = package(recording)
    names = {path.name for path in made}
    assert {"camera.mp4", "laptop.mp4", "audio.m4a", "poster.jpg", "chapters.vtt"} <= names
    assert {"slides.json", "metadata.json", "data.json"} <= names
    camera = recording.products / "camera.mp4"
    held = probe_video(camera)
    assert held == pytest.approx(8, abs=0.2)  # lecture time: the pause is cut
    assert abs(measure_av_offset(recording.lecture).worst_ms) < 40
    assert probe(recording.products / "audio.m4a") is None  # no picture in it
    metadata = json.loads((recording.products / "metadata.json").read_text())
    assert metadata["title"] == "Physics"
    slides = json.loads((recording.products / "slides.json").read_text())
    assert slides["slides"][0]["time"] == 0
    told = json.loads((recording.products / "data.json").read_text())
    assert {one["content"]: one.get("role") for one in told["streams"]} == {
        "presentation": None,
        "presenter": None,
        "audio": "mainAudio",
    }
    assert told["streams"][0]["sources"]["mp4"][0]["res"]["w"] > 0
    assert (recording.products / "chapters.vtt").read_text().startswith("WEBVTT")
    stamp = camera.stat().st_mtime_ns
    package(recording)
    assert camera.stat().st_mtime_ns == stamp


def test_a_source_that_began_late_keeps_its_place(tmp_path: Path, kit: Any) -> None:
    recording = a_class(tmp_path, kit)
    shutil.rmtree(recording.track("camera"))
    write_track(recording, kit, 0, (0, 4))
    finish(recording)
    package(recording)
    with av.open(str(recording.products / "camera.mp4")) as container:
        first = next(container.decode(video=0))
    assert first.time == pytest.approx(4, abs=0.05)


def probe_video(path: Path) -> float:
    with av.open(str(path)) as container:
        frames = [frame.time for frame in container.decode(video=0)]
    assert frames[-1] is not None
    return float(frames[-1])


def test_the_timeline_maps_both_ways() -> None:
    line = Timeline([(0, 3), (6, 11)])
    assert line.duration == 8
    assert [line.lecture(t) for t in (1, 3, 5, 6, 10, 20)] == [1, 3, 3, 3, 7, 8]
    assert line.classes(2, 5) == [(2, 3), (6, 8)]
    lengths = [span[1] - span[0] for span in Timeline([(0, 1530)]).classes(0, 1530)]
    assert max(lengths) <= 60
    assert sum(lengths) == 1530
    assert not line.keeps(4)

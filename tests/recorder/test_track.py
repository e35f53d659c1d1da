import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import av
import pytest

from recorder import feed, tape, track
from recorder.children import FeedChild
from recorder.clock import ClassClock
from recorder.feeds import Feeds
from recorder.media import MediaStream, Sample
from recorder.recording import Role, SourceSpec, boottime
from recorder.segments import SegmentWriter, Syncer, segment_files, span
from recorder.sources.open import parse
from recorder.sources.stream import StreamSource

VIDEO = MediaStream("video", "h264", b"\x00\x00\x00\x01\x67", 320, 180, 25.0)
SMALL = MediaStream("video", "h264", b"\x00\x00\x00\x01\x67\x01", 160, 90, 25.0)
SOUND = MediaStream("audio", "aac", b"\x11\x88", rate=48000, channels=1)


class Tape:
    """Stands where a child would be and keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    def put(self, *messages: bytes) -> bool:
        self.data += b"".join(messages)
        return True

    def flush(self) -> None:
        pass

    def heard(self) -> list[feed.Message]:
        data, self.data = self.data, b""
        return list(feed.read(io.BytesIO(data)))


def sample(place: int, at: int, *, key: bool = False) -> Sample:
    return Sample(place, at, at, 40_000, key, av.Packet(bytes([at % 251])))


@pytest.fixture
def feeds() -> Feeds:
    made = Feeds([SourceSpec(id="cam", role=Role.PRESENTER, url="rtsp://x/y")])
    made.begin("cam", [VIDEO, SOUND])
    return made


def attach(feeds: Feeds) -> Tape:
    tape = Tape()
    feeds.attach(cast("FeedChild", tape), 0.0)
    return tape


def shown(messages: list[feed.Message]) -> list[tuple[int, int, bool]]:
    return [(m.index, m.pts, m.preroll) for m in messages if isinstance(m, feed.FeedPacket)]


def test_a_child_that_starts_late_gets_the_current_group_of_pictures(feeds: Feeds) -> None:
    for number in range(5):
        feeds.sample("cam", sample(0, number, key=number in (0, 2)))
        feeds.sample("cam", sample(1, number))
    messages = attach(feeds).heard()
    assert [m.media for m in messages if isinstance(m, feed.StreamInfo)] == ["video", "audio"]
    assert shown(messages) == [(0, 2, True), (0, 3, True), (0, 4, True)]


def test_in_a_pause_nothing_is_sent_and_after_it_there_is_a_picture_at_once(feeds: Feeds) -> None:
    tape = attach(feeds)
    feeds.sample("cam", sample(0, 1, key=True))
    feeds.pause(0.5)
    tape.heard()
    for at in (2, 3):
        feeds.sample("cam", sample(0, at, key=at == 2))
        feeds.sample("cam", sample(1, at))
    assert tape.heard() == []
    feeds.resume(1.0)
    feeds.sample("cam", sample(0, 4))
    messages = tape.heard()
    assert shown(messages) == [(0, 2, True), (0, 3, True), (0, 4, False)]
    assert feed.Command("resume", {"t": 1.0}) in messages
    feeds.pause(2.0)
    assert attach(feeds).heard()[-1] == feed.Command("pause", {"t": 0.0})


def test_the_substream_takes_over_while_it_runs(feeds: Feeds) -> None:
    tape = attach(feeds)
    feeds.sample("cam", sample(0, 1, key=True))
    feeds.begin("cam/sub", [SMALL])
    feeds.sample("cam/sub", sample(0, 2, key=True))
    feeds.sample("cam", sample(0, 3))
    feeds.sample("cam", sample(1, 3))
    messages = tape.heard()
    assert shown(messages) == [(0, 1, False), (2, 2, False), (1, 3, False)]
    infos = [m for m in messages if isinstance(m, feed.StreamInfo)]
    assert (infos[-1].index, infos[-1].source, infos[-1].width) == (2, "cam", 160)
    feeds.lost("cam/sub")
    feeds.sample("cam", sample(0, 5))
    messages = tape.heard()
    assert [m.index for m in messages if isinstance(m, feed.StreamInfo)] == [0]
    assert shown(messages) == [(0, 1, True), (0, 3, True), (0, 5, False)]


def test_the_watcher_gets_sound_and_a_key_frame_a_second(feeds: Feeds) -> None:
    tape = Tape()
    feeds.attach_watch(cast("FeedChild", tape), 0.0)
    for number in range(75):
        feeds.sample("cam", sample(0, number * 40_000, key=number % 5 == 0))
        feeds.sample("cam", sample(1, number * 40_000))
    messages = shown(tape.heard())
    assert len([at for index, at, _ in messages if index == 0]) == 3
    assert len([at for index, at, _ in messages if index == 1]) == 75


class Heard:
    """Hears what a track tells."""

    def __init__(self) -> None:
        self.gaps: list[tuple[str, float, float]] = []
        self.failures: list[str] = []
        self.left_out: list[tuple[str, float, float]] = []

    def gap(self, source: str, from_: float, to: float) -> None:
        self.gaps.append((source, from_, to))

    def dropped(self, source: str, media: str, from_: float, to: float) -> None:
        self.left_out.append((media, from_, to))

    def disk_failed(self, source: str, detail: str) -> None:
        self.failures.append(detail)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


def make(
    hold_class: Callable[..., Any], clip: Path, *, patient: bool = True
) -> tuple[Any, track.Track, StreamSource, Heard]:
    made = hold_class(f"presenter=file:{clip}?pace=fast")
    [spec] = made.recording.manifest.sources
    clock, heard = ClassClock(boottime()), Heard()
    writes = track.Track(made.recording, spec, clock, Syncer(), heard, heard, patient=patient)
    return made, writes, StreamSource(spec, parse(spec.url), clock, writes, 0.0), heard


def test_long_tracks_are_cut_at_key_frames(
    hold_class: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch, tools: Any
) -> None:
    monkeypatch.setattr(tape, "CUT_AFTER", 900_000)
    made, writes, reader, heard = make(hold_class, clip)
    reader.run()
    writes.close()
    files = segment_files(made.recording.track("presenter"))
    assert [number for number, _ in files] == [1, 2, 3, 4]
    packets = tools.packets(made.recording.track("presenter"))
    assert len(packets) == 100 and heard.gaps == []
    for _, path in files:
        found = span(path)
        assert found is not None and found[1] - found[0] < 1.2
        assert len(tools.pictures(path)) == 25


def test_a_source_that_was_told_to_end_is_not_lost(
    hold_class: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "SILENT_FOR", -1.0)
    _, writes, _, _ = make(hold_class, clip)
    states = []
    for end in (False, True):
        writes.changed("running")
        if end:
            writes.close()  # the lecture is being finished
        writes.check()
        states.append(writes.status.state)
    assert states == ["lost", "running"]


def test_a_disk_that_fails_stops_the_track_and_is_told(
    hold_class: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch, tools: Any
) -> None:
    made, writes, reader, heard = make(hold_class, clip)
    write = SegmentWriter.write

    def failing(writer: Any, given: Sample) -> None:
        if given.dts > 1_500_000:
            raise OSError(5, "Input/output error")
        write(writer, given)

    monkeypatch.setattr(SegmentWriter, "write", failing)
    reader.run()
    writes.close()
    assert heard.failures == ["Input/output error"]
    times = [at for at, _ in tools.packets(made.recording.track("presenter"))]
    assert times and max(times) > 1.3


class SlowDisk(threading.Event):
    """Takes nothing until the event is set; `asked` once somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    write, disk = SegmentWriter.write, SlowDisk()

    def slow(writer: Any, given: Sample) -> None:
        disk.asked.set()
        disk.wait(30.0)
        write(writer, given)

    monkeypatch.setattr(SegmentWriter, "write", slow)
    return disk


def test_on_a_slow_disk_pictures_are_left_out_and_sound_is_kept(
    hold_class: Callable[..., Any],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow_disk: SlowDisk,
    tools: Any,
) -> None:
    monkeypatch.setattr(tape, "PICTURE_BYTES", 20_000)
    made, writes, reader, heard = make(hold_class, clip, patient=False)
    reader.run()  # the source is not held up: it ends while the disk still stands
    assert slow_disk.asked.wait(30.0)
    assert not slow_disk.is_set() and writes.behind > 0
    waiting = sum(size for _, size, _ in writes._tape._queue)
    assert waiting <= 20_000 + tape.SOUND_BYTES
    slow_disk.set()
    writes.close()
    folder = made.recording.track("presenter")
    times = [at for at, _ in tools.packets(folder)]
    assert 5 < len(times) < 100 and writes.status.dropped == 100 - len(times)
    [(media, from_, to)] = heard.left_out
    assert media == "video" and to == pytest.approx(4.0, abs=0.1)
    assert not [at for at in times if from_ <= at < to]
    sound = [at for at, _ in tools.packets(folder, "audio")]
    assert sound[-1] > 3.9 and len(sound) >= 187
    assert tools.pictures(next(folder.glob("*.mp4")))


def test_a_pause_takes_effect_at_once_though_the_disk_stands_still(
    hold_class: Callable[..., Any], clip: Path, slow_disk: SlowDisk, tools: Any
) -> None:
    made, writes, reader, _ = make(hold_class, clip)

    def stand() -> None:
        slow_disk.wait(30.0)

    writes._tape.order(stand)
    written = writes.pause()
    assert not written.is_set()
    reader.run()
    slow_disk.set()
    assert written.wait(30.0)
    writes.close()
    assert tools.packets(made.recording.track("presenter")) == []


def test_after_a_slow_disk_pictures_go_on_at_a_key_frame(
    hold_class: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch, tools: Any
) -> None:
    monkeypatch.setattr(tape, "PICTURE_BYTES", 20_000)
    made, writes, reader, heard = make(hold_class, clip, patient=False)
    put, begun, free = writes._tape.put, threading.Event(), threading.Event()

    def blocked() -> None:
        begun.set()
        free.wait(30.0)

    def put_and_free(given: Sample, media: str) -> None:
        if given.dts > 2_500_000 and not free.is_set():
            free.set()
            writes._tape.order(lambda: None).wait(30.0)
            monkeypatch.setattr(tape, "PICTURE_BYTES", 1 << 20)
        put(given, media)

    monkeypatch.setattr(writes._tape, "put", put_and_free)
    writes._tape.order(blocked)
    assert begun.wait(30.0)
    reader.run()
    writes.close()
    assert len(heard.left_out) == 1, heard.left_out
    [(_, _, to)] = heard.left_out
    packets = tools.packets(made.recording.track("presenter"))
    after = [key for at, key in packets if at >= to - 0.001]
    assert to == pytest.approx(3.0, abs=0.1) and after[0] and len(after) == 25


def test_a_file_waits_for_a_slow_disk(
    hold_class: Callable[..., Any],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow_disk: SlowDisk,
    tools: Any,
) -> None:
    monkeypatch.setattr(tape, "PICTURE_BYTES", 5_000)
    made, writes, reader, heard = make(hold_class, clip)
    threading.Timer(0.3, slow_disk.set).start()
    reader.run()
    writes.close()
    assert len(tools.packets(made.recording.track("presenter"))) == 100
    assert heard.left_out == [] and writes.status.dropped == 0

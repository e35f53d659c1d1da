from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from recorder import fmp4
from recorder.clock import ClassClock
from recorder.recording import Recording, RecordingError, boottime
from recorder.salvage import salvage, verify
from recorder.segments import Syncer, trim
from recorder.sources.open import parse
from recorder.sources.stream import StreamSource
from recorder.track import Track


class Nothing:
    """Hears what a track tells and does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


def record(made: Any, clip: Path, source: str = "presenter") -> Path:
    """Records a film as fast as it can be read; returns the segment."""
    spec = next(s for s in made.recording.manifest.sources if s.id == source)
    clock, nothing = ClassClock(boottime()), Nothing()
    track = Track(made.recording, spec, clock, Syncer(), nothing, nothing)
    reader = StreamSource(spec, parse(f"file:{clip}?pace=fast"), clock, track, 0.0)
    reader.run()
    track.close()
    return sorted(made.recording.track(source).glob("*.mp4"))[-1]


@pytest.fixture
def made(hold_class: Callable[..., Any]) -> Any:
    return hold_class("presenter=file:clip.mp4?pace=fast")


def test_a_sound_recording_is_left_as_it_is(made: Any, clip: Path) -> None:
    segment = record(made, clip)
    before = segment.read_bytes()
    report = salvage(made.folder)
    assert report.sound and report.files == 1
    assert report.seconds["presenter"] == pytest.approx(4.0, abs=0.1)
    assert segment.read_bytes() == before
    assert verify(made.folder, decode=True).sound


@pytest.mark.parametrize("torn", ["cut", "zeros", "garbage"])
def test_a_torn_end_is_cut_off_and_kept_aside(made: Any, clip: Path, torn: str) -> None:
    segment = record(made, clip)
    whole = segment.read_bytes()
    third = fmp4.scan(segment).fragments[-3].offset + 100
    ends = {"cut": b"", "zeros": bytes(5000), "garbage": b"\x99" * 5000}
    segment.write_bytes(whole[:third] + ends[torn])
    assert "torn" in verify(made.folder).problems[0]
    report = salvage(made.folder)
    assert report.repaired == ["presenter/000001.mp4"]
    assert report.seconds["presenter"] == pytest.approx(4.0, abs=0.5)
    assert salvage(made.folder).sound and verify(made.folder, decode=True).sound
    tail = segment.parent / "quarantine" / "000001.mp4.tail"
    assert segment.read_bytes() + tail.read_bytes() == whole[:third] + ends[torn]


def test_what_holds_nothing_readable_goes_to_quarantine(made: Any, clip: Path) -> None:
    segment = record(made, clip)
    folder = segment.parent
    (folder / "000002.mp4").write_bytes(b"not a film at all")
    (folder / "000003.mp4").touch()
    (folder / "000004.mkv").write_bytes(b"\x1a\x45\xdf\xa3 nor this")
    report = salvage(made.folder)
    assert report.quarantined == [f"presenter/00000{n}" for n in ("2.mp4", "3.mp4", "4.mkv")]
    kept = sorted(path.name for path in (folder / "quarantine").iterdir())
    assert kept == ["000002.mp4", "000003.mp4", "000004.mkv"]
    assert segment.exists()


def test_a_damaged_manifest_stands_again(made: Any, clip: Path) -> None:
    record(made, clip)
    (made.folder / "recording.json").write_bytes(b"\x00" * 500)
    assert not verify(made.folder).sound
    report = salvage(made.folder)
    assert report.repaired == ["recording.json"]
    assert Recording.open(made.folder).id == made.recording.id
    assert (made.folder / "quarantine" / "recording.json").read_bytes() == b"\x00" * 500


def test_a_manifest_without_a_copy_is_left_alone(made: Any) -> None:
    (made.folder / "recording.json").write_bytes(b"{")
    (made.folder / ".recording.first.json").unlink()
    with pytest.raises(RecordingError, match="damaged"):
        salvage(made.folder)
    assert (made.folder / "recording.json").read_bytes() == b"{"


def test_a_track_is_cut_at_the_end_of_the_class(made: Any, clip: Path) -> None:
    segment = record(made, clip)
    trim(segment.parent, 2.5)
    with av.open(str(segment)) as container:
        times = [
            float((p.pts + p.duration) * p.time_base)
            for p in container.demux()
            if p.pts is not None
        ]
    assert 2.5 - 0.01 <= max(times) <= 2.5 + 0.3
    assert verify(made.folder, decode=True).sound
    trim(segment.parent, 0.0)
    assert not segment.exists()

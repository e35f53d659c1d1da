"""Cuts after class: the lecture, and everything that tells its time, follow; tracks do not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import segments
from recorder.production import package, trim, vtt
from recorder.production.finish import finish
from recorder.production.measure import check
from recorder.recording import Recording, RecordingError

CUES = [vtt.Cue(n, n + 0.9, f"Word {n} & more") for n in range(14)]


@pytest.fixture(scope="module")
def lecture(tmp_path_factory: pytest.TempPathFactory, build: Any) -> Path:
    """A finished class of 14 s with captions and slides."""
    recording = build(tmp_path_factory.mktemp("class"))
    finish(recording)
    package.package(recording)
    recording.update(life="ready", duration_s=14.0)
    (recording.products / "captions.en.vtt").write_text(vtt.vtt(CUES, "en"))
    (recording.products / "transcript.en.txt").write_text("all of it\n")
    pictures = recording.products / "slides"
    pictures.mkdir()
    slides = []
    for number, begin in enumerate((0.0, 4.0, 8.0, 12.0), 1):
        (pictures / f"{number:03}.jpg").write_bytes(bytes([number]))
        slides.append(
            {"number": number, "time": begin, "end": min(begin + 4, 14.0), "title": f"T{number}",
             "picture": f"slides/{number:03}.jpg", "text": ""}
        )  # fmt: skip
    told = {"version": 1, "analysed": True, "notices": [], "slides": slides}
    (recording.products / "slides.json").write_text(json.dumps(told))
    return recording.folder


@pytest.fixture
def recording(lecture: Path, tmp_path: Path) -> Recording:
    import shutil

    folder = tmp_path / lecture.name
    shutil.copytree(lecture, folder)
    return Recording.open(folder)


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(float(f.time), f.to_ndarray(format="gray")) for f in container.decode(video=0)]


def shown_at(frames: list[tuple[float, np.ndarray]], t: float) -> np.ndarray:
    return next(picture for at, picture in reversed(frames) if at <= t + 0.001)


def tracks(recording: Recording) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for source in recording.manifest.sources
        for _, path in segments.segment_files(recording.track(source.id))
    }


def test_start_end_and_the_middle_are_cut_and_all_times_follow(recording: Recording) -> None:
    before, untouched = pictures(recording.lecture), tracks(recording)
    recording.mark("cut", 0.0, **{"from": 0.0, "to": 2.3})
    recording.mark("cut", 5.1, **{"from": 5.1, "to": 9.4})
    recording.mark("cut", 13.0, **{"from": 13.0, "to": 14.0})
    assert trim.trim(recording)
    assert not trim.trim(recording)
    found = check(recording.lecture)
    assert found.whole
    assert recording.manifest.duration_s == pytest.approx(6.4)
    after = pictures(recording.lecture)
    assert after[0][0] == 0.0
    with av.open(str(recording.lecture)) as container:
        ends = [float(s.duration * s.time_base) for s in container.streams
                if s.type in ("video", "audio")]  # fmt: skip
        assert ends == pytest.approx([6.4, 6.4], abs=0.06)
        titles = [(float(c["start"] * c["time_base"]), c["metadata"]["title"])
                  for c in container.chapters()]  # fmt: skip
    assert titles[0] == (0.0, "Start")
    for t in (0.05, 0.7, 2.7, 2.9, 3.5, 6.2):
        was = t + 2.3 if t < 2.8 else t - 2.8 + 9.4
        difference = np.abs(shown_at(after, t).astype(int) - shown_at(before, was)).mean()
        assert difference < 3, (t, difference)
    cues = vtt.read((recording.products / "captions.en.vtt").read_text())
    assert [cue.text for cue in cues] == [f"Word {n} & more" for n in (3, 4, 10, 11, 12)]
    assert [cue.start for cue in cues] == pytest.approx([0.7, 1.7, 3.4, 4.4, 5.4], abs=0.002)
    assert "Word 7" not in (recording.products / "transcript.en.txt").read_text()
    slides = json.loads((recording.products / "slides.json").read_text())["slides"]
    assert [(s["number"], s["title"], s["time"], s["end"]) for s in slides] == [
        (1, "T1", 0.0, 1.7), (2, "T2", 1.7, 2.8), (3, "T3", 2.8, 5.4), (4, "T4", 5.4, 6.4),
    ]  # fmt: skip
    assert tracks(recording) == untouched
    for name in ("camera.mp4", "audio.m4a"):
        with av.open(str(recording.products / name)) as container:
            assert container.duration / av.time_base == pytest.approx(6.4, abs=0.2)


def test_a_slide_that_is_cut_takes_its_picture_along(recording: Recording) -> None:
    recording.mark("cut", 3.9, **{"from": 3.9, "to": 8.1})
    trim.trim(recording)
    assert not (recording.products / "slides/002.jpg").exists()
    assert (recording.products / "parts/uncut/slides/002.jpg").exists()


def test_cuts_are_taken_back(recording: Recording) -> None:
    names = ("lecture.mp4", "captions.en.vtt", "slides.json", "slides/002.jpg")
    before = {name: (recording.products / name).read_bytes() for name in names}
    recording.mark("cut", 3.0, **{"from": 3.0, "to": 9.0})
    trim.trim(recording)
    recording.mark("cut", 1.0, **{"from": 1.0, "to": 2.0})
    trim.trim(recording)
    assert recording.manifest.duration_s == pytest.approx(7.0)
    recording.mark("uncut", 0.0)
    trim.trim(recording)
    assert {name: (recording.products / name).read_bytes() for name in names} == before
    assert recording.manifest.duration_s == pytest.approx(14.0)
    assert not (recording.products / "parts/uncut").exists()


def test_another_encoders_lecture_is_encoded_anew(recording: Recording) -> None:
    recording.update(program={**recording.manifest.program.model_dump(), "fps": 20})
    before = pictures(recording.lecture)
    recording.mark("cut", 2.0, **{"from": 2.0, "to": 10.0})
    trim.trim(recording)
    assert check(recording.lecture).whole
    after = pictures(recording.lecture)
    difference = np.abs(shown_at(after, 3.0).astype(int) - shown_at(before, 11.0)).mean()
    assert difference < 4


def test_nothing_left_is_an_error(recording: Recording) -> None:
    recording.mark("cut", 0.0, **{"from": 0.0, "to": 13.9})
    with pytest.raises(RecordingError, match="nothing would be left"):
        trim.trim(recording)


def test_it_goes_on_where_it_was_ended(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.mark("cut", 3.0, **{"from": 3.0, "to": 9.0})
    replace, count = Path.replace, 0

    def dies(self: Path, target: Path) -> Path:
        nonlocal count
        if trim._NEW in self.parts and trim._NEW not in Path(target).parts:
            count += 1
            if count == 3:
                raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        trim.trim(recording)
    monkeypatch.undo()
    state = json.loads((recording.products / "parts/trim.json").read_text())
    assert state["commit"]
    assert not trim.trim(recording), state
    assert recording.manifest.duration_s == pytest.approx(8.0)
    assert (recording.products / "audio.m4a").exists()
    cues = vtt.read((recording.products / "captions.en.vtt").read_text())
    assert len(cues) == 8
    assert not (recording.products / "parts" / trim._NEW).exists()


def test_erasing_takes_it_out_of_the_tracks_too(recording: Recording) -> None:
    recording.update(edit={"kind": "erase"})
    recording.mark("cut", 5.0, **{"from": 5.0, "to": 8.0, "erase": True})
    child = subprocess.run(
        [sys.executable, "-m", "recorder.production.trim", str(recording.folder), "--erase"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert json.loads(child.stdout.splitlines()[-1])["event"] == "finished"
    assert recording.manifest.edit is None
    assert recording.manifest.duration_s == pytest.approx(11.0)
    assert not (recording.products / "parts/uncut").exists()
    for source in recording.manifest.sources:
        for _, path in segments.segment_files(recording.track(source.id)):
            with av.open(str(path)) as container:
                times = [float(p.pts * p.time_base) for p in container.demux() if p.pts is not None]
            assert not [t for t in times if 5.0 <= t < 8.0], source.id
            assert min(times) < 0.1
            assert max(times) >= 13
    recording.mark("uncut", 0.0)
    assert not trim.trim(recording)  # it is gone for good
    assert recording.manifest.duration_s == pytest.approx(11.0)

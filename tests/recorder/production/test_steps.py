"""Everything after class, from the tracks of a small one: what is made, and what is not again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from recorder.production import process, slides, steps, text
from recorder.production.finish import finish
from recorder.production.master import measure
from recorder.production.measure import check, measure_av_offset
from recorder.recording import Recording, RecordingError

from ..course_package import faults

NINETY_MINUTES = 5400


class Pretend(text.Reader):
    """Reads every slide as what it was drawn from, in the order in which it is asked."""

    name = "pretend"

    def __init__(self) -> None:
        self.asked = 0

    def read(self, picture: Any) -> list[text.Line]:
        self.asked += 1
        return [
            text.Line(f"Title {self.asked}", (0.1, 0.1, 0.4, 0.08), 0.9),
            text.Line("some <small> text", (0.1, 0.4, 0.4, 0.04), 0.9),
        ]


@pytest.fixture(scope="module")
def produced(
    tmp_path_factory: pytest.TempPathFactory, build: Any
) -> Iterator[tuple[Recording, list[steps.StepResult]]]:
    recording = build(tmp_path_factory.mktemp("rooms"), pause=(5.0, 7.0))
    finish(recording)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text, "readers", lambda languages: [Pretend()])
        patched.delenv("CLASSROOMD_WHISPER_MODEL", raising=False)
        yield recording, steps.run(recording)


def test_every_step_makes_its_files(produced: tuple[Recording, list[steps.StepResult]]) -> None:
    recording, results = produced
    assert [(one.step, one.outcome) for one in results] == [(s, "done") for s in steps.NAMES]
    names = {path.name for path in recording.products.iterdir()}
    assert {
        "lecture.mp4", "slides.json", "sound.json", "slides", "chapters.vtt", "audio.m4a",
        "small.mp4", "sprites.jpg", "sprites.vtt", "poster.jpg", "metadata.json", "data.json",
        "offline.zip",
    } <= names  # fmt: skip
    assert not [name for name in names if name.startswith(".")]
    by_step = {one.step: one for one in results}
    assert "no speech model is configured" in by_step["caption"].notices[0]
    manifest = recording.manifest
    assert manifest.measured["loudness_lufs"] == pytest.approx(-16, abs=0.3)
    assert manifest.measured["true_peak_dbtp"] <= -1
    assert "caption" in manifest.products["notices"]


def test_slides_have_times_pictures_titles_and_name_the_chapters(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    shown = slides.known(recording)
    # Pages turn at 4, 8 and 12 s of the class; 5 to 7 was a pause.
    assert [slide.time for slide in shown] == pytest.approx([0, 4, 6, 10], abs=0.3)
    assert [slide.title for slide in shown] == ["Title 1", "Title 2", "Title 3", "Title 4"]
    assert shown[-1].end == pytest.approx(12, abs=0.01)
    pictures = [cv2.imread(str(recording.products / str(slide.picture))) for slide in shown]
    assert [picture.shape for picture in pictures if picture is not None] == [(360, 640, 3)] * 4
    assert cv2.norm(pictures[0], pictures[1]) > 1000  # type: ignore[call-overload]
    vtt = (recording.products / "chapters.vtt").read_text()
    assert "Title 1" in vtt
    assert "Title 4" in vtt
    with av.open(str(recording.lecture)) as container:
        told = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert told[0] == "Title 1"
    player = json.loads((recording.products / "data.json").read_text())
    assert player["frameList"][0]["url"] == "slides/001.jpg"


def test_the_lecture_stays_whole_and_in_step(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    checked = check(recording.lecture)
    assert checked.whole
    assert checked.duration == pytest.approx(12, abs=0.15)
    assert abs(measure_av_offset(recording.lecture).worst_ms) < 40
    assert measure(recording.lecture).loudness == pytest.approx(-16, abs=0.3)


def test_ffmpeg_hears_the_finished_lecture_at_its_target(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    command = ["ffmpeg", "-hide_banner", "-i", str(recording.lecture)]
    command += ["-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    summary = told[told.index("Summary:") :]
    loudness, peak = (re.search(rf"{name}: +(-[\d.]+) ", summary) for name in ("I", "Peak"))
    assert loudness is not None
    assert peak is not None
    assert float(loudness[1]) == pytest.approx(-16, abs=0.5)
    assert float(peak[1]) <= -1


def test_ninety_minutes_of_the_small_lecture_are_below_sixty_megabytes(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    small = recording.products / "small.mp4"
    checked = check(small)
    assert checked.whole
    assert checked.duration == pytest.approx(12, abs=0.3)
    assert small.stat().st_size / checked.duration * NINETY_MINUTES < 60e6


@pytest.mark.parametrize("name", ["small.mp4", "audio.m4a"])
def test_the_small_lecture_and_the_sound_alone_are_named_and_have_its_chapters(
    produced: tuple[Recording, list[steps.StepResult]], name: str
) -> None:
    recording, _ = produced

    def told(path: Path) -> tuple[str, list[tuple[float, str]]]:
        with av.open(str(path)) as container:
            chapters = [
                (round(float(one["start"] * one["time_base"]), 2), one["metadata"]["title"])
                for one in container.chapters()
            ]
            return container.metadata["title"], chapters

    title, chapters = told(recording.products / name)
    assert (title, chapters) == told(recording.lecture)
    assert len(chapters) > 1


def test_sprites_say_where_each_picture_is(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    sheet = cv2.imread(str(recording.products / "sprites.jpg"))
    assert sheet is not None
    index = (recording.products / "sprites.vtt").read_text()
    places = [line.split("=")[1] for line in index.splitlines() if "#xywh=" in line]
    assert len(places) == 2
    for place in places:
        x, y, width, height = map(int, place.split(","))
        assert x + width <= sheet.shape[1]
        assert y + height <= sheet.shape[0]
    assert "00:00:00.000 --> " in index


def test_the_zip_plays_alone_and_is_a_scorm_package(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    with zipfile.ZipFile(recording.products / "offline.zip") as archived:
        names, entries = set(archived.namelist()), archived.infolist()
        page = archived.read("index.html").decode()
    assert faults(recording.products / "offline.zip") == []
    assert {entry.external_attr >> 16 & 0o777 for entry in entries} == {0o644}
    assert {"index.html", "lecture.mp4", "slides/001.jpg", "chapters.vtt"} <= names
    assert "Physics &amp; more" in page
    assert 'src="lecture.mp4"' in page


def test_what_is_up_to_date_is_left_alone_and_what_changed_is_not(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    stamps = {path: path.stat().st_mtime_ns for path in recording.products.glob("*.*")}
    again = steps.run(recording)
    assert [one.outcome for one in again] == ["current"] * 6
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    (recording.products / "slides" / "002.jpg").unlink()
    (recording.products / "metadata.json").write_text('{"title": "Corrected"}')
    outcomes = {one.step: one.outcome for one in steps.run(recording)}
    assert outcomes["align"] == outcomes["caption"] == "current"
    assert outcomes["analyse"] == outcomes["package"] == "done"
    assert (recording.products / "slides" / "002.jpg").exists()
    assert json.loads((recording.products / "metadata.json").read_text())["title"] == "Corrected"


def test_a_wrong_step_and_a_class_under_way_are_refused(tmp_path: Path, build: Any) -> None:
    recording = build(tmp_path)
    with pytest.raises(RecordingError, match="align, analyse, render, caption, draft, package"):
        steps.run(recording, "polish")
    (recording.folder / "markers.jsonl").unlink()
    with pytest.raises(RecordingError, match="still being recorded"):
        steps.run(recording)


def test_render_says_that_analysis_comes_first(tmp_path: Path, build: Any) -> None:
    recording = build(tmp_path)
    with pytest.raises(RecordingError, match="run the step analyse first"):
        steps.run(recording, "render")


def test_the_child_tells_in_json(tmp_path: Path, build: Any) -> None:
    recording = build(tmp_path)
    child = subprocess.run(
        [
            *(sys.executable, "-m", "recorder.production", recording.folder),
            *("--only", "caption", "--json"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = [json.loads(line) for line in child.stdout.splitlines()]
    assert told[-2]["step"] == "caption"
    assert told[-2]["notices"]
    assert told[-1]["event"] == "finished"


def test_one_process_at_a_time_is_at_work_on_a_recording(
    produced: tuple[Recording, list[steps.StepResult]],
) -> None:
    recording, _ = produced
    with process.alone(recording), pytest.raises(RecordingError, match="at work on it already"):
        steps.run(recording)
    assert {one.outcome for one in steps.run(recording)} == {"current"}

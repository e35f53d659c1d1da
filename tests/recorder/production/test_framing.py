"""Framing: who moves is followed, the head is never cut, a slide's change is nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks import _figure
from benchmarks.framing import head_share, jerk
from recorder.engines.compositor import Compositor
from recorder.engines.framing import Frame, Framer, Operator, crop, plan
from recorder.engines.tracking import Person, Tracker
from recorder.production import camerawork, package
from recorder.production.finish import finish
from recorder.production.measure import check
from recorder.recording import Recording, SourceSpec

WIDE = SourceSpec(
    id="wide",
    role="presenter",
    url="test:presenter?size=320x180&fps=10",  # type: ignore[arg-type]
    framing="auto",
)
SLIDES = SourceSpec(id="laptop", role="slides", url="test:slides?size=320x180&fps=10")  # type: ignore[arg-type]
MICROPHONE = SourceSpec(id="desk", role="microphone", url="test:speech")  # type: ignore[arg-type]


def test_a_walking_lecturer_is_found_and_kept_in_the_frame() -> None:
    tracker, framer = Tracker(), Framer()
    seen, live, overlaps, truth = [], [], [], {}
    for t, luma, box in _figure.walk(30, width=480, height=270):
        truth[t] = box
        person = tracker.look(round(t * 1e6), luma)
        seen.append((t, person))
        live.append((t, framer.at(round(t * 1e6), luma)))
        if person is not None and t > 6:
            overlaps.append(_figure.overlap(box, (person.x, person.y, person.w, person.h)))
    assert np.mean(overlaps) > 0.55
    assert head_share(live, truth) > 0.98
    later = plan(seen)
    assert head_share(later, truth) > 0.97
    assert np.mean([frame.size for _, frame in later]) < 0.75
    assert jerk(later) < 0.2
    assert jerk(live) < 0.2


def test_a_slide_that_changes_behind_is_not_taken_for_the_presenter() -> None:
    tracker = Tracker()
    positions = []
    for number in range(200):
        picture = np.full((180, 320), 120, np.uint8)
        picture[20:80, 200:300] = 200 if number // 40 % 2 else 60
        left = 60 + round(6 * np.sin(number / 2))
        picture[100:160, left : left + 20] = 30
        person = tracker.look(number * 100_000, picture)
        if person is not None and number > 30:
            positions.append(person.centre)
    assert max(positions) < 0.35


def test_the_operator_rests_eases_and_never_cuts_the_head() -> None:
    operator = Operator(0.3)
    still = Person(0.45, 0.4, 0.08, 0.3)
    for _ in range(80):
        rest = operator.step(0.1, still)
    nearby = operator.step(0.1, Person(0.46, 0.4, 0.08, 0.3))
    assert nearby.x == pytest.approx(rest.x, abs=1e-3)
    last, fastest = nearby, 0.0
    for step in range(60):
        x = min(0.85, 0.46 + step * 0.01)
        frame = operator.step(0.1, Person(x, 0.4, 0.08, 0.3))
        assert frame.x <= x
        assert x + 0.08 <= frame.x + frame.size
        assert frame.y < 0.4
        fastest = max(fastest, abs(frame.x - last.x) / 0.1)
        last = frame
    assert last.x + last.size <= 1.0
    assert fastest < 0.5


def test_a_frame_is_cut_out_at_even_pixels_without_a_copy() -> None:
    planes = [np.zeros(shape, np.uint8) for shape in ((180, 320), (90, 160), (90, 160))]
    luma, blue, _ = crop(planes, Frame(0.7, 0.31, 0.5))
    assert luma.shape == (90, 160)
    assert blue.shape == (45, 80)
    luma[:] = 9
    assert planes[0].sum() == 9 * luma.size


def test_the_lecture_and_a_track_of_its_own_show_the_frame(tmp_path: Path, build: Any) -> None:
    recording: Recording = build(tmp_path, sources=(WIDE, SLIDES, MICROPHONE))
    finish(recording)
    way = json.loads((recording.products / "parts" / "framing-wide.json").read_text())
    assert way["frames"][-1][0] == pytest.approx(14, abs=0.3)
    assert min(size for *_, size in way["frames"]) < 0.95
    assert set(camerawork.ways(recording)) == {"wide"}
    made = package.package(recording, whole=True)
    track = recording.products / "wide.framed.mp4"
    assert track in made
    with av.open(str(track)) as container:
        assert container.streams.video[0].height == 180
        assert (container.duration or 0) / 1e6 == pytest.approx(14, abs=0.3)
    assert check(recording.lecture).whole


def test_the_compositor_asks_for_the_frame(build: Any, tmp_path: Path) -> None:
    from recorder import feed
    from recorder.production.replay import replay

    recording: Recording = build(tmp_path, sources=(WIDE, SLIDES, MICROPHONE))
    asked = []

    class Asked:
        def at(self, t: int, luma: Any) -> Frame:
            asked.append((t, luma.shape))
            return Frame(0.0, 0.0, 0.5)

    compositor = Compositor(320, 180, "presenter")
    compositor.framing = {"wide": Asked()}
    for message in replay(recording, 0, 1_000_000, media=frozenset(("video",))):
        match message:
            case feed.StreamInfo():
                compositor.add(message)
            case feed.FeedPacket():
                compositor.push(message)
            case feed.Tick():
                compositor.compose(message.now)
    assert asked
    assert asked[0][1] == (180, 320)

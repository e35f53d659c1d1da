"""What chapters are called."""

from __future__ import annotations

from recorder.engines.chapters import Chapter, merge

S = 1_000_000


def named(marks: list[Chapter], slides: dict[float, str]) -> list[tuple[float, str]]:
    titles = {round(at * S): title for at, title in slides.items()}
    return [(one.start / S, one.title) for one in merge(marks, titles, titles)]


def test_a_slide_that_is_only_passed_does_not_name_the_chapter() -> None:
    slides = {0: "Last week", 1.3: "Energy", 60: "Work", 63: "Power", 64: "Work again", 64.5: ""}
    start = [Chapter(0, "Last week")]
    assert named(start, slides) == [(0, "Energy"), (60, "Work")]
    start = [Chapter(0, "Energy")]
    assert named(start, {0: "Energy", 4: "Work", 6: "Power"}) == [(0, "Energy"), (6, "Power")]


def test_what_somebody_marked_keeps_its_name() -> None:
    slides = {0.0: "Energy", 31: "Work", 40: "Power"}
    marks = [Chapter(0, "Start"), Chapter(30 * S, "Resumed")]
    assert named(marks, slides) == [(0, "Start"), (30, "Resumed"), (40, "Power")]
    assert [one.title for one in merge([Chapter(0, "Start")], [9 * S])] == ["Start", "Slide 2"]

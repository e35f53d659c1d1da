"""Page turns on generated decks, and slides that are read."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import _decks, _unseen
from benchmarks.text import error_rate, slide
from recorder.engines import motion
from recorder.engines.pages import PageTurns
from recorder.production import slides, text
from recorder.production.text import Line


def turns(pictures: Iterable[tuple[float, _decks.Picture]]) -> list[float]:
    pages, t = PageTurns(), 0
    for at, picture in pictures:
        t = round(at * 1e6)
        pages.look(t, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
        pages.settle(t)
    for later in range(t, t + 2_000_000, 100_000):
        pages.settle(later)
    return [turn / 1e6 for turn in pages.turns]


WANTED = ("builds", "dimmed builds", "pointer", "slow fades", "video as a page", "filmed, person")


@pytest.mark.parametrize(
    "deck", [d for d in _decks.decks() if d.name in WANTED], ids=lambda d: d.name
)
def test_pages_are_told_from_all_else_that_moves(deck: _decks.Deck) -> None:
    assert _decks.score(turns(_decks.frames(deck)), deck.turns) == (len(deck.turns), 0, 0)


SHOWN = ("low contrast", "scrolled code", "template")


@pytest.mark.parametrize(
    "show", [s for s in _unseen.shows() if s.name in SHOWN], ids=lambda s: s.name
)
def test_what_is_written_scrolled_or_framed_is_no_page_of_its_own(show: _unseen.Show) -> None:
    assert _decks.score(turns(show.frames()), show.turns) == (len(show.turns), 0, 0)


def test_a_page_that_is_zoomed_into_and_moved_about_is_the_same_page() -> None:
    def seen(number: int, t: float) -> motion.Plane:
        grey = cv2.cvtColor(_unseen._paper(number, t), cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.resize(grey, motion.SIZE, interpolation=cv2.INTER_AREA), np.uint8)

    whole, near, aside = seen(1, 1.0), seen(1, 3.0), seen(1, 6.0)
    assert motion.moved(whole, near)
    assert motion.moved(near, aside)
    assert motion.moved(aside, whole)
    assert not motion.moved(whole, seen(2, 1.0))
    assert not motion.moved(whole, whole)


@pytest.mark.parametrize("name", ["plain", "builds"])
def test_a_page_begins_with_a_key_frame_and_a_build_does_not(name: str) -> None:
    """A line that is added is a few blocks; a key frame would be the whole page again."""
    deck = next(deck for deck in _decks.decks() if deck.name == name)
    pages, keys = PageTurns(), []
    for at, picture in _decks.frames(deck):
        t = round(at * 1e6)
        if pages.look(t, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)):
            keys.append(at)
        pages.settle(t)
    assert keys == pytest.approx(deck.turns, abs=0.11)


def test_the_last_picture_of_a_quick_series_is_not_missed() -> None:
    """Two pictures within a tenth of a second, then nothing: a computer sends no more."""
    deck = next(d for d in _decks.decks() if d.name == "plain")
    first, second = (
        np.asarray(cv2.cvtColor(_decks.draw(deck, n, 0), cv2.COLOR_BGR2GRAY), np.uint8)
        for n in (0, 1)
    )
    pages = PageTurns()
    pages.look(0, first)
    half = first.copy()
    half[:120] = second[:120]
    for t in range(0, 5_000_000, 100_000):
        if t == 2_000_000:
            assert pages.look(t, half)
            pages.look(t + 40_000, second)
        pages.settle(t)
    assert pages.turns == [2_000_000]
    assert pages.pictures == 2
    pages.look(5_000_000, half)
    for t in range(5_000_000, 8_000_000, 100_000):
        pages.settle(t)
    assert len(pages.turns) == 2


def test_without_a_slide_source_marked_pages_are_the_slides(tmp_path: Path, build: Any) -> None:
    from recorder.recording import SourceSpec

    camera = SourceSpec.model_validate(
        {"id": "camera", "role": "presenter", "url": "test:presenter?size=160x90&fps=10"}
    )
    recording = build(tmp_path, sources=(camera,))
    recording.mark("page", 6.0)
    found = slides.find(recording)
    assert [(slide.time, slide.picture) for slide in found] == [(0.0, None), (6.0, None)]
    assert not (recording.products / "slides").exists()


def test_a_title_is_the_largest_line_above() -> None:
    lines = [
        Line("Faculty of Physics", (0.05, 0.02, 0.2, 0.03), 0.9),
        Line("Kinetic energy", (0.05, 0.1, 0.5, 0.08), 0.9),
        Line("and where it goes", (0.05, 0.19, 0.5, 0.075), 0.9),
        Line("HUGE", (0.1, 0.6, 0.5, 0.2), 0.9),
    ]
    assert text.title(lines) == "Kinetic energy and where it goes"
    assert text.title([]) == ""
    assert len(text.title([Line("x" * 300, (0, 0, 1, 0.1), 1)])) == 100


def test_strokes_that_are_no_words_are_left_out() -> None:
    lines = [Line("—.. —", (0.1, 0.1, 0.2, 0.02), 0.9), Line("E=mc2", (0.1, 0.3, 0.2, 0.05), 0.9)]
    assert [line.text for line in text._ordered(lines)] == ["E=mc2"]


@pytest.mark.parametrize("band", [False, True], ids=["dark title", "title on a band"])
@pytest.mark.parametrize("language", ["en", "zh", "ru", "ar"])
def test_what_is_installed_reads_slides(language: str, band: bool) -> None:
    picture, using = slide(language, band=band), text.readers([language])
    if picture is None or not using:
        pytest.skip(f"no reader or no font for {language} here")
    if language == "zh" and not text.importlib.util.find_spec("rapidocr"):
        pytest.skip("Chinese needs the extra [ocr]: Tesseract alone misreads it")
    read = text.read(picture, using)
    told = " ".join(line.text for line in read)
    from benchmarks.text import _SLIDES

    assert error_rate(" ".join(_SLIDES[language]), told) < 0.1
    assert error_rate(_SLIDES[language][0], text.title(read)) < 0.1


def test_without_a_reader_a_notice_says_what_to_install(
    tmp_path: Path, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(text, "_tesseract_languages", frozenset)
    found, notices = slides.read(
        build(tmp_path), [slides.Slide(1, 0, 5)], ["en"], lambda a, b: None
    )
    assert found[0].title == ""
    assert "tesseract-ocr" in notices[0]


def test_a_reader_that_fails_leaves_the_slide_without_text(
    tmp_path: Path, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(text.Reader):
        name = "broken"

        def read(self, picture: Any) -> list[Line]:
            raise subprocess.TimeoutExpired("tesseract", 60)

    recording = build(tmp_path)
    monkeypatch.setattr(text, "readers", lambda languages: [Broken()])
    (recording.products / "slides").mkdir()
    cv2.imwrite(str(recording.products / "slides" / "001.jpg"), np.zeros((90, 160, 3), np.uint8))
    one = slides.Slide(1, 0, 5, "slides/001.jpg")
    found, notices = slides.read(recording, [one], ["en"], lambda a, b: None)
    assert found == [one]
    assert "slide 1 could not be read" in notices[0]


def test_slides_of_a_deck_that_was_brought_need_no_reader(
    tmp_path: Path, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "readers", lambda languages: [])
    recording = build(tmp_path)
    recording.mark("page", 0.1, page="d-1", title="Waves", text="Waves\nand particles")
    recording.mark("page", 2.0, page="blank", title="")
    shown = [slides.Slide(1, 0, 1.9), slides.Slide(2, 1.9, 3)]
    found, notices = slides.read(recording, shown, ["en"], lambda a, b: None)
    assert [(one.title, one.text) for one in found] == [("Waves", "Waves\nand particles"), ("", "")]
    assert notices == [text.NOTICE]
    _, notices = slides.read(recording, shown[:1], ["en"], lambda a, b: None)
    assert notices == []

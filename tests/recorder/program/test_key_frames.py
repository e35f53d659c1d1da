"""A key frame of the lecture belongs where a page goes; what is only moved is cheap without one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recorder.engines.pages import PageTurns

S = 1_000_000


def listing(seed: int) -> NDArray[np.uint8]:
    """Rows of words, longer than a screen."""
    dice = np.random.default_rng(seed)
    page = np.full((720, 640), 235, np.uint8)
    for row in range(36):
        words = " ".join("".join(dice.choice(list("aeiounrst"), 5)) for _ in range(6))
        place = (20, 16 + row * 20)
        cv2.putText(page, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 30, 1, cv2.LINE_AA)
    return page


def test_a_page_that_goes_asks_for_one_and_a_page_that_is_scrolled_does_not() -> None:
    page, other = listing(1), listing(2)
    pages = PageTurns()
    assert not pages.look(0, page[:360])
    pages.settle(2 * S)
    assert not pages.look(3 * S, page[40:400])
    pages.settle(5 * S)
    assert pages.look(6 * S, other[:360])

"""Where pictures lie, and that planes get there."""

from __future__ import annotations

import numpy as np
import pytest

from recorder import layouts
from recorder.layouts import Box, Part
from recorder.recording import Layout

BOTH: frozenset[Part] = frozenset({"slides", "presenter"})


def planes(width: int, height: int, luma: int = 100) -> list[layouts.Plane]:
    return [
        np.full((height, width), luma, np.uint8),
        np.full((height // 2, width // 2), 90, np.uint8),
        np.full((height // 2, width // 2), 160, np.uint8),
    ]


def test_the_names_are_those_of_the_recording() -> None:
    assert set(layouts.NAMES) == {str(layout) for layout in Layout}


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (640, 360), (854, 480), (160, 90)])
@pytest.mark.parametrize("layout", layouts.NAMES)
def test_places_are_even_and_inside(layout: str, size: tuple[int, int]) -> None:
    width, height = size
    for place in layouts.arrange(layout, width, height, BOTH):
        box = place.box
        assert all(value % 2 == 0 for value in (box.x, box.y, box.width, box.height))
        assert box.x >= 0 and box.x + box.width <= width
        assert box.y >= 0 and box.y + box.height <= height


def test_the_inset_lies_above_the_slides_in_the_corner() -> None:
    slides, presenter = layouts.arrange("slides+presenter", 1920, 1080, BOTH)
    assert slides == layouts.Place("slides", Box(0, 0, 1920, 1080))
    assert presenter == layouts.Place("presenter", Box(1400, 770, 480, 270))


def test_a_part_without_a_source_leaves_its_room_to_the_other() -> None:
    for layout in layouts.NAMES:
        (place,) = layouts.arrange(layout, 640, 360, frozenset({"presenter"}))
        assert place == layouts.Place("presenter", Box(0, 0, 640, 360))


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(ValueError, match="'mosaic' is not known; use slides"):
        layouts.arrange("mosaic", 640, 360, BOTH)


@pytest.mark.parametrize(
    ("picture", "put"),
    [
        ((1920, 1080), Box(0, 0, 640, 360)),
        ((1024, 768), Box(80, 0, 480, 360)),
        ((1000, 200), Box(0, 116, 640, 128)),
        ((200, 1000), Box(284, 0, 72, 360)),
    ],
)
def test_pictures_keep_their_shape(picture: tuple[int, int], put: Box) -> None:
    assert layouts.fit(Box(0, 0, 640, 360), *picture) == put


def test_a_picture_lands_in_its_box_and_nowhere_else() -> None:
    canvas = planes(640, 360, 16)
    layouts.blit(canvas, planes(320, 180, 200), Box(400, 200, 160, 90))
    inside = np.zeros((360, 640), bool)
    inside[200:290, 400:560] = True
    assert (canvas[0][inside] == 200).all()
    assert (canvas[0][~inside] == 16).all()
    assert (canvas[1][100:145, 200:280] == 90).all()


def test_a_crossfade_begins_with_the_old_and_ends_with_the_new() -> None:
    out, old, new = planes(64, 36), planes(64, 36, 50), planes(64, 36, 150)
    for amount, luma in ((0, 50), (0.5, 100), (1, 150)):
        layouts.blend(out, old, new, amount)
        assert (out[0] == luma).all()


def test_the_card_of_a_lost_source_is_dark_and_marked() -> None:
    canvas = planes(640, 360, 200)
    layouts.card(canvas, Box(480, 270, 160, 90))
    area = canvas[0][270:360, 480:640]
    assert np.median(area) < 60
    assert area.max() > 100
    assert canvas[0][100, 100] == 200

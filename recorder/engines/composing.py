"""The proof that a space composes: `python -m recorder.engines.composing NAME`.

Exits 0 and says how alike the pictures are when a second of lecture, composed there, is what
memory makes of it. The last line on standard error says what is wrong otherwise.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from recorder import layouts
from recorder.engines.canvas import Canvas
from recorder.engines.picture import planes_of
from recorder.engines.spaces import Space, open_space
from recorder.layouts import Part

Plane = NDArray[np.uint8]

LEAST_SSIM = 0.99
_BOTH: frozenset[Part] = frozenset({"slides", "presenter"})


def ssim(one: Plane, other: Plane) -> float:
    """Structural similarity of two planes of one shape, by means over 7 x 7 pixels."""
    a, b = (plane.astype(np.float32) for plane in (one, other))

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, (7, 7)), np.float32)

    of_a, of_b = mean(a), mean(b)
    both = mean(a * b) - of_a * of_b
    spread = mean(a * a) - of_a * of_a + mean(b * b) - of_b * of_b
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * of_a * of_b + light) * (2 * both + contrast)
    return float(np.mean(above / ((of_a**2 + of_b**2 + light) * (spread + contrast))))


def picture(width: int, height: int, step: int) -> list[Plane]:
    """The planes of a picture with edges and slopes that moves by `step` pixels."""
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    luma = ((column + row + 3 * step) % 160 + 40).astype(np.uint8)
    cv2.putText(luma, f"{step}", (width // 8, height // 2), cv2.FONT_HERSHEY_DUPLEX, 2, 235, 3)
    half = luma[::2, ::2]
    return [luma, half, 255 - half]


def draw(canvas: Canvas, step: int, steps: int) -> list[Plane]:
    """Frame `step` of a second with all that a canvas does; copies of its planes."""
    width, height = canvas.frame().width, canvas.frame().height
    turned = step >= steps // 2
    if step in (0, steps // 2):
        if turned:
            canvas.keep()
        canvas.wipe()
    layout = "side-by-side" if turned else "slides+presenter"
    slides, presenter = layouts.arrange(layout, width, height, _BOTH)
    if step % 5 == 0:
        canvas.put(slides.box, picture(800, 600, step))
    if turned and step % 7 == 0:
        canvas.card(presenter.box)
    else:
        canvas.put(presenter.box, picture(640, 360, 2 * step), full_range=turned)
    fade = 2 * step / steps - 1
    made = canvas.faded(fade) if 0 <= fade < 0.5 else canvas.frame()
    return [plane.copy() for plane in planes_of(made)]


def prove(space: Space, width: int = 640, height: int = 360, frames: int = 30) -> float:
    """Composes in the space and in memory; returns the least SSIM of any plane of any frame.

    Raises ValueError when the space gives up on the way.
    """
    there, here = Canvas(width, height, space), Canvas(width, height)
    least = 1.0
    for step in range(frames):
        pairs = zip(draw(there, step, frames), draw(here, step, frames), strict=True)
        least = min(least, *(ssim(*pair) for pair in pairs))
    if there.lost is not None:
        raise ValueError(there.lost)
    return least


def main() -> int:
    """Entry of the probe."""
    try:
        alike = prove(open_space(sys.argv[1]))
    except (ImportError, ValueError, IndexError) as error:
        print(error, file=sys.stderr)
        return 1
    if alike < LEAST_SSIM:
        print(f"the pictures are different (SSIM {alike:.3f})", file=sys.stderr)
        return 1
    print(f"a second of picture was composed truly (SSIM {alike:.4f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Presenter framing: a drawn lecturer walks through a room; how well does the frame go along?"""

from __future__ import annotations

import time

import numpy as np

from benchmarks import _figure
from recorder.engines.framing import Frame, Framer, plan
from recorder.engines.tracking import Tracker

SECONDS = 90.0
_LEARNT_S = 6.0


def head_share(frames: list[tuple[float, Frame]], truth: dict[float, _figure.Truth]) -> float:
    """The share of pictures in which the whole head lies in the frame."""
    good = [_head_inside(frame, truth[t]) for t, frame in frames if t >= _LEARNT_S]
    return float(np.mean(good))


def _head_inside(frame: Frame, box: _figure.Truth) -> bool:
    x, top, w, h = box
    middle, half = x + w / 2, 0.024  # half of the head that is drawn
    across = frame.x <= middle - half and middle + half <= frame.x + frame.size
    return across and frame.y <= top and top + 0.2 * h <= frame.y + frame.size


def jerk(frames: list[tuple[float, Frame]]) -> float:
    """The largest change of the pan's speed between two pictures, in frame widths a second."""
    later = [(t, one) for t, one in frames if t >= _LEARNT_S]
    centre = np.array([one.x + one.size / 2 for _, one in later])
    times = np.array([t for t, _ in later])
    speed = np.diff(centre) / np.diff(times)
    return float(np.abs(np.diff(speed)).max()) / float(np.mean([one.size for _, one in later]))


def run() -> dict[str, float | None]:
    """Overlap with the true position, the head in the frame (live, afterwards), cost of a look."""
    tracker, framer = Tracker(), Framer()
    seen, live, overlaps = [], [], []
    truth: dict[float, _figure.Truth] = {}
    spent = 0.0
    for t, luma, box in _figure.walk(SECONDS):
        truth[t] = box
        at = round(t * 1e6)
        began = time.process_time()
        person = tracker.look(at, luma)
        spent += time.process_time() - began
        seen.append((t, person))
        live.append((t, framer.at(at, luma)))
        if person is not None and t >= _LEARNT_S:
            overlaps.append(_figure.overlap(box, (person.x, person.y, person.w, person.h)))
    later = plan(seen)
    return {
        "overlap": round(float(np.mean(overlaps)), 3),
        "overlap_p10": round(float(np.percentile(overlaps, 10)), 3),
        "head_in_frame_live": round(head_share(live, truth), 4),
        "head_in_frame": round(head_share(later, truth), 4),
        "frame_size": round(float(np.mean([one.size for _, one in later])), 3),
        "pan_jerk_live": round(jerk(live), 3),
        "pan_jerk": round(jerk(later), 3),
        "ms_per_look": round(spent / len(seen) * 1000, 2),
    }

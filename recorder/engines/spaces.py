"""Spaces: where pictures are composed. In memory by OpenCV, or on a GPU by an array library.

A library keeps the Python array API standard; CuPy is the one that is tried (`pip install
'classroomd[gpu]'`). Like an encoder it is believed only after a child has composed a second with it
and got the picture that memory gets: a broken driver takes its process down with it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder.trial import tried

Plane = NDArray[np.uint8]

# The library, and the node without which there is no device for it.
SPACES = {"cupy": "/dev/nvidiactl"}
PROBE_SECONDS = 60  # CuPy compiles its kernels when they are first used


@dataclass(frozen=True)
class Space:
    """An array library on its default device. Raises whatever the library raises."""

    name: str
    xp: Any

    def upload(self, planes: Sequence[Plane]) -> list[Any]:
        """Copies planes to the device (a library in memory would share what is not copied)."""
        return [self.xp.asarray(np.array(plane, order="C")) for plane in planes]

    def download(self, plane: Any, into: Plane) -> None:
        """Copies a plane (or what was cut from it) from the device, and waits for it."""
        into[...] = plane.get() if hasattr(plane, "get") else np.from_dlpack(plane)


def open_space(name: str) -> Space:
    """Raises ImportError where the library is not installed."""
    return Space(name, importlib.import_module(name))


def missing(name: str) -> str | None:
    """What there is not of a space, in words; None when it can be tried."""
    if not Path(SPACES[name]).exists():
        return f"no {SPACES[name]}"
    if importlib.util.find_spec(name) is None:
        return f"{name} is not installed (the extra `gpu`)"
    return None


@functools.cache
def works(name: str) -> bool:
    """Whether the space composes truly; tried once in a child that is killed when it hangs."""
    return tried("recorder.engines.composing", name, PROBE_SECONDS)[0]


def choose() -> Space | None:
    """A space that is proven; None for memory."""
    for name in SPACES:
        if missing(name) is None and works(name):
            return open_space(name)
    return None

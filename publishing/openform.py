"""The open form of a finished lecture: as it stood while it grew, without what its close changed.

While the program writes, the lecture is a fragmented MP4. Its close turns the `free` box behind
the header into the `mdat` that hides all fragments, and adds the index behind them. With the old
bytes in their place and without the index the file is what was sent during class, whole: a
fragmented MP4 with every picture, for protocols that can only add to a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD = 72
_CHANGED = slice(36, 52)  # size and name of a box, and its long size


@dataclass(frozen=True)
class OpenForm:
    """`size` bytes, of which the first are `head`; the rest are those of the file at `path`."""

    path: Path
    head: bytes
    size: int


def head_of(path: Path) -> bytes | None:
    """The first bytes of a lecture that grows; None while it has too few."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    return head if len(head) == HEAD and head[40:44] == b"free" else None


def open_form(path: Path, head: bytes) -> OpenForm | None:
    """The open form of the closed lecture at `path`, whose head was `head`; None if it is none."""
    with path.open("rb") as file:
        closed = file.read(HEAD)
    if len(closed) != HEAD or closed[40:44] != b"mdat":
        return None
    same = closed[: _CHANGED.start] + head[_CHANGED] + closed[_CHANGED.stop :]
    if same != head:
        return None
    length = int.from_bytes(closed[36:40], "big")
    if length == 1:
        length = int.from_bytes(closed[44:52], "big")
    size = 36 + length
    return OpenForm(path, head, size) if HEAD < size <= path.stat().st_size else None

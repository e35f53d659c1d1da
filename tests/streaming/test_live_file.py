"""What the recorder writes for viewers: the live file begins anew, the part can be cut at keys."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from recorder.engines import live as live_module
from streaming.fragments import Fragment, FragmentReader, Init, Tail


def test_the_live_file_begins_anew_and_its_times_go_on(
    make_live: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "BYTES", 40_000)
    maker = make_live(tmp_path / "part.mp4", tmp_path / "program.mp4")
    tail = Tail(tmp_path / "program.mp4")
    pieces: list[Any] = []
    for _ in range(50):
        maker.write(0.24)
        pieces += tail.read()
    maker.close()
    pieces += tail.read()
    inits = [piece for piece in pieces if isinstance(piece, Init)]
    assert len(inits) >= 2
    assert len({init.data for init in inits}) == 1
    pictures = [piece for piece in pieces if isinstance(piece, Fragment) and piece.video]
    assert len(pictures) == 300
    assert [round(one.start * 25) for one in pictures] == list(range(300))
    sounds = [piece for piece in pieces if isinstance(piece, Fragment) and not piece.video]
    steps = [b.start - a.start for a, b in pairwise(sounds)]
    assert all(abs(step - 1024 / 48000) < 0.001 for step in steps)
    assert (tmp_path / "program.mp4").stat().st_size < (tmp_path / "part.mp4").stat().st_size
    tail.close()


def test_a_part_is_cut_at_key_frames_and_its_bytes_stay(make_live: Any, tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    maker = make_live(path, tmp_path / "program.mp4")
    maker.write(7.0)
    growing = path.read_bytes()
    maker.close()
    fragments = [piece for piece in FragmentReader().feed(growing) if isinstance(piece, Fragment)]
    keys = [round(one.start, 2) for one in fragments if one.key]
    assert keys == [0.0, 2.0, 4.0]
    assert all(not one.sync or one.key for one in fragments)
    closed = path.read_bytes()
    for one in fragments:
        assert closed[one.offset : one.offset + len(one.data)] == one.data

"""Fragments are whole, timed and in order, however the bytes come, and whatever they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.boxes import BoxError, parse_moof, parse_moov
from streaming.fragments import Fragment, FragmentReader, Init, Tail


def _all(data: bytes) -> tuple[Init, list[Fragment]]:
    pieces = FragmentReader().feed(data)
    assert isinstance(pieces[0], Init)
    fragments = [piece for piece in pieces[1:] if isinstance(piece, Fragment)]
    assert len(fragments) == len(pieces) - 1
    return pieces[0], fragments


def test_a_live_file_is_cut_into_init_and_fragments(live_bytes: bytes, decoded: Any) -> None:
    init, fragments = _all(live_bytes)
    assert init.mime.startswith('video/mp4; codecs="avc1.')
    assert init.mime.endswith(',mp4a.40.2"')
    pictures = [one for one in fragments if one.video]
    assert len(pictures) == 125
    assert [one.key for one in pictures[:51]] == [True, *[False] * 49, True]
    assert abs(pictures[50].start - 2.0) < 0.001
    assert abs(pictures[-1].start - 4.96) < 0.001
    assert decoded(init.data + b"".join(one.data for one in fragments))[0] == 125
    from_key = b"".join(one.data for one in fragments[fragments.index(pictures[50]) :])
    assert decoded(init.data + from_key)[0] == 75


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(1, 9000), min_size=1, max_size=8))
def test_the_pieces_do_not_depend_on_how_the_bytes_come(
    live_bytes: bytes, steps: list[int]
) -> None:
    sample = live_bytes[:60_000]
    whole = FragmentReader().feed(sample)
    reader, got, position, turn = FragmentReader(), [], 0, 0
    while position < len(sample):
        step = steps[turn % len(steps)] if turn < 500 else len(sample)
        got += reader.feed(sample[position : position + step])
        position, turn = position + step, turn + 1
    assert got == whole


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 4000), st.booleans())
def test_hostile_bytes_crash_nothing(live_bytes: bytes, junk: bytes, at: int, insert: bool) -> None:
    end = at if insert else at + len(junk)
    damaged = live_bytes[:at] + junk + live_bytes[end:20_000]
    for piece in FragmentReader().feed(damaged):
        assert isinstance(piece, Init | Fragment)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_parsers_raise_their_own_error_only(junk: bytes) -> None:
    for box in (b"moov", b"moof"):
        data = (len(junk) + 8).to_bytes(4, "big") + box + junk
        for parse in (lambda d: parse_moov(d), lambda d: parse_moof(d, {})):
            try:
                parse(data)
            except BoxError:
                continue


def test_a_giant_box_is_refused_and_not_waited_for() -> None:
    reader = FragmentReader()
    assert reader.feed(b"\xff\xff\xff\xfemoof" + bytes(100)) == []
    assert reader.damaged and "moof" in reader.damaged
    assert reader.feed(bytes(1000)) == []


def test_a_tail_follows_growth_replacement_and_removal(live_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program.mp4"
    tail = Tail(path)
    assert tail.read() == []
    init, fragments = _all(live_bytes)
    path.write_bytes(live_bytes[:100])
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(live_bytes[100:30_000])
        file.flush()
        first = tail.read()
        assert first[0] == init
        file.write(live_bytes[30_000:])
    assert first[1:] + tail.read() == fragments
    path.unlink()
    assert tail.read() == []
    path.write_bytes(live_bytes)
    assert tail.read() == [init, *fragments]
    tail.close()


def test_a_tail_reads_the_end_of_a_file_that_was_replaced(
    live_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "program.mp4"
    path.write_bytes(b"")
    tail = Tail(path)
    first = tail.read()
    with path.open("ab") as file:
        file.write(live_bytes)
    path.unlink()
    path.write_bytes(live_bytes)
    init, fragments = _all(live_bytes)
    assert first + tail.read() == [init, *fragments, init, *fragments]
    tail.close()


def test_a_tail_begins_at_the_last_key_frame_of_what_is_there(
    live_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "program.mp4"
    path.write_bytes(live_bytes[:-50])
    tail = Tail(path)
    init, *rest = tail.read()
    fragments = _all(live_bytes)[1]
    key = [one for one in fragments if one.key][-1]
    assert isinstance(init, Init)
    assert rest == fragments[fragments.index(key) : -1]
    tail.close()

"""Viewers share one reader; none of them can slow another or the recording."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streaming import hub as hub_module
from streaming.fragments import Fragment, FragmentReader, Init, Tail
from streaming.hub import QUEUE_MESSAGES, Channel, Hub, Message, Viewer


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.close()


class Script:
    """A follower that gives what the test puts in."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.closed = asyncio.Event()

    def read(self) -> list[Any]:
        given, self.pieces = self.pieces, []
        return given

    def close(self) -> None:
        self.closed.set()


async def take(viewer: Viewer, seconds: float = 30.0) -> Message:
    return await asyncio.wait_for(anext(viewer), seconds)


async def drain(viewer: Viewer, until: Any) -> bytes:
    got = b""
    while not until(got):
        got += (await take(viewer)).data
    return got


def playable(data: bytes) -> list[Any]:
    """Init and fragments from the first key frame on: what a viewer is sent."""
    init, *fragments = FragmentReader().feed(data)
    first = next(i for i, one in enumerate(fragments) if isinstance(one, Fragment) and one.key)
    return [init, *fragments[first:]]


async def test_everyone_gets_every_byte(hub: Hub, live_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "program.mp4"
    path.write_bytes(b"")
    viewers = [hub.join(path, Tail)[1] for _ in range(5)]
    assert hub.watching(tmp_path) == 5
    whole = b"".join(piece.data for piece in playable(live_bytes))
    with path.open("ab") as file:
        for start in range(0, len(live_bytes), 20_000):
            file.write(live_bytes[start : start + 20_000])
            file.flush()
            await asyncio.sleep(0)
    for viewer in viewers:
        assert await drain(viewer, lambda got: len(got) >= len(whole)) == whole
        assert viewer.skipped == 0


async def test_a_newcomer_begins_at_the_latest_key_frame(
    hub: Hub, live_bytes: bytes, tmp_path: Path, decoded: Any
) -> None:
    path = tmp_path / "program.mp4"
    path.write_bytes(b"")
    _, early = hub.join(path, Tail)
    await asyncio.sleep(0)  # its reader has opened the file
    path.write_bytes(live_bytes)
    assert (await take(early)).init is not None
    whole = sum(len(piece.data) for piece in playable(live_bytes)[1:])
    await drain(early, lambda got: len(got) >= whole)
    _, late = hub.join(path, Tail)
    init, rest = await take(late), await take(late)
    assert init.init is not None and rest.key
    pictures, _ = decoded(init.data + rest.data)
    assert pictures == 25  # key frames are 2 s apart; the file ends at 5 s


async def test_a_stalled_viewer_skips_to_a_key_frame_and_slows_nobody(live_bytes: bytes) -> None:
    pieces = FragmentReader().feed(live_bytes)
    init = pieces[0]
    fragments = [piece for piece in pieces if isinstance(piece, Fragment)]
    channel = Channel("test", Script)
    lively, stalled = channel.join(), channel.join()
    channel.take([init])
    seen = 0
    for _ in range(4):
        for one in fragments:
            channel.take([one])
            if lively._queue:
                await take(lively)
                seen += 1
    assert lively.skipped == 0
    assert seen > 4 * 300
    assert stalled.skipped >= 1
    assert len(stalled._queue) <= QUEUE_MESSAGES + 1
    first = await take(stalled)
    while first.init is not None:
        first = await take(stalled)
    assert first.key
    await channel.close()


async def test_a_new_file_with_the_same_init_goes_on_without_one(live_bytes: bytes) -> None:
    pieces = FragmentReader().feed(live_bytes)
    init, fragments = pieces[0], pieces[1:]
    half = next(
        index
        for index, one in enumerate(fragments)
        if isinstance(one, Fragment) and one.key and one.start > 3
    )
    channel = Channel("test", Script)
    viewer = channel.join()
    channel.take([init, *fragments[:half], init, *fragments[half:]])
    channel.take([])
    inits = [message for message in viewer._queue if message.init is not None]
    assert len(inits) == 1
    await channel.close()


async def test_a_restarted_program_begins_with_its_init(live_bytes: bytes) -> None:
    pieces = playable(live_bytes)
    channel = Channel("test", Script)
    viewer = channel.join()
    channel.take([*pieces, *pieces])
    messages = list(viewer._queue)
    assert messages[0].init is not None  # an init empties the queue: the old clock is over
    assert messages[1].key
    assert b"".join(m.data for m in messages) == b"".join(p.data for p in pieces)
    await channel.close()


async def test_the_reader_runs_only_while_somebody_watches(
    hub: Hub, live_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "IDLE_S", 0.05)
    script = Script()
    pieces = FragmentReader().feed(live_bytes)
    assert isinstance(pieces[0], Init)
    script.pieces = pieces[:1]
    channel, viewer = hub.join(tmp_path / "x", lambda _: script)
    assert (await take(viewer)).init == pieces[0]
    channel.leave(viewer)
    await asyncio.wait_for(script.closed.wait(), 30)
    assert hub.watching(tmp_path) == 0


async def test_closing_the_hub_ends_every_viewer(hub: Hub, tmp_path: Path) -> None:
    _, viewer = hub.join(tmp_path / "none.mp4", Tail)
    await hub.close()
    with pytest.raises(StopAsyncIteration):
        await take(viewer)

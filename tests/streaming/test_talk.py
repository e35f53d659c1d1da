"""A voice from elsewhere: who may, one at a time, and recorded as it came."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

from sharing import until
from talking import Microphone, Talking, raised, speaks

from recorder import feed, shared
from recorder.sources.child import Output
from recorder.sources.shared import opened
from streaming import talk, talk_child
from streaming.rtc import Encoded
from streaming.talk import TalkError


async def next_piece(reader: asyncio.StreamReader) -> shared.Shared:
    """What a recorder is sent next."""
    async with asyncio.timeout(20):
        head = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(head, "big"))
    found = shared.read(io.BytesIO(head + body))
    assert found is not None
    return found


async def test_what_is_said_is_recorded_as_it_came_and_muted_is_not(
    talking: Callable[..., Talking],
    microphone: Callable[[], Microphone],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = talking()
    room = here.room
    assert not room.heard
    one = raised(room, "  Kim \n  of  Oslo ")
    assert one.hand.name == "Kim of Oslo"
    with pytest.raises(TalkError, match="not been admitted"):
        await room.speak(one, "v=0")
    room.admit(one.hand.id)
    for wrong in ("v=0", "v=0\r\nm=video 9 x\r\n", "v=0\r\nm=audio 9\r\nm=audio 9\r\nopus/48000"):
        with pytest.raises(TalkError) as caught:
            await room.speak(one, wrong)
        assert caught.value.code == "no_connection"
    await speaks(room, one, microphone())
    assert here.spoke == ["Kim of Oslo"]

    reader, writer = await asyncio.open_unix_connection(str(here.socket))
    monkeypatch.setenv(shared.RUN_DIR, str(here.socket.parent))
    stop = threading.Event()
    with (tmp_path / "feed").open("w+b", buffering=0) as file:
        source = opened(talk.SOURCE, "voice", "microphone")
        recording = asyncio.create_task(
            asyncio.to_thread(source, Output(file.fileno()), stop)  # the recorder's own child
        )

        said = [await next_piece(reader) for _ in range(60)]
        assert {one.media for one in said} == {"audio"}
        # By its own clock, 20 ms each, whenever the network brought it.
        steps = [after.time - before.time for before, after in pairwise(said)]
        assert all(9_999 <= step <= 25_000 for step in steps)
        await room.mute(one.hand.id, True)
        while (await next_piece(reader)).media != "nothing":
            pass
        assert [(await next_piece(reader)).media for _ in range(2)] == ["nothing"] * 2
        await room.mute(one.hand.id, False)
        while (await next_piece(reader)).media != "audio":
            pass
        await room.end(one.hand.id)
        assert (one.hand.state, one.why) == ("over", "ended")
        while (await next_piece(reader)).media != "nothing":
            pass
        stop.set()
        await recording
        file.seek(0)
        messages = list(feed.read(file))
    writer.close()
    info = next(one for one in messages if isinstance(one, feed.StreamInfo))
    assert (info.index, info.media, info.codec) == (0, "audio", "aac")
    assert sum(isinstance(one, feed.FeedPacket) for one in messages) > 20
    assert "waiting" in {one.name for one in messages if isinstance(one, feed.Command)}
    assert here.spoke == ["Kim of Oslo", None]


async def test_who_is_muted_while_the_child_is_being_started_is_not_recorded(
    talking: Callable[..., Talking], microphone: Callable[[], Microphone]
) -> None:
    here = talking()
    one = raised(here.room)
    here.room.admit(one.hand.id)
    voice = microphone()
    speaking = asyncio.create_task(here.room.speak(one, await voice.offer()))
    await asyncio.sleep(0)  # the task has begun
    assert here.room._child.process is None
    await here.room.mute(one.hand.id, True)
    await voice.take(await speaking)
    await until(lambda: one.hand.state == "speaking")
    reader, writer = await asyncio.open_unix_connection(str(here.socket))
    assert [(await next_piece(reader)).media for _ in range(2)] == ["nothing"] * 2
    writer.close()


async def test_one_speaks_at_a_time_and_nobody_asks_too_often(
    talking: Callable[..., Talking], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = talking().room
    first, second = raised(room), raised(room, "Ada", "elsewhere")
    room.admit(first.hand.id)
    with pytest.raises(TalkError) as caught:
        room.admit(second.hand.id)
    assert caught.value.code == "one_speaks"
    await room.end(first.hand.id)
    assert room.admit(second.hand.id).state == "admitted"
    with pytest.raises(TalkError, match="no longer there"):
        room.admit(first.hand.id)
    for _ in range(talk.HANDS_EACH):
        raised(room)
    with pytest.raises(TalkError) as caught:
        raised(room)
    assert caught.value.code == "too_many"
    assert raised(room, asker="elsewhere").hand.state == "asking"  # each address by itself
    for hand in [one for one in room.hands() if one.name == "Kim"]:
        await room.end(hand.id)
    for _ in range(talk.ASKS_EACH - 1 - talk.HANDS_EACH):
        await room.end(raised(room).hand.id)
    with pytest.raises(TalkError) as caught:
        raised(room)
    assert caught.value.code == "too_soon"
    with pytest.raises(TalkError) as caught:
        raised(room, " \n ", "somewhere")
    assert caught.value.code == "no_name"
    monkeypatch.setattr(talk, "MAX_HANDS", 1)
    with pytest.raises(TalkError) as caught:
        raised(room, asker="somewhere")
    assert caught.value.code == "too_many"
    await room.clear()
    assert (second.hand.state, second.why) == ("over", "class_over")
    assert room.hands() == []


async def test_one_who_does_not_come_vanishes_or_loses_the_child(
    talking: Callable[..., Talking],
    microphone: Callable[[], Microphone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = talking()
    room = here.room
    one = raised(room)
    room.admit(one.hand.id)
    await speaks(room, one, microphone())
    assert room._child.process is not None
    room._child.process.kill()
    await until(lambda: one.hand.state == "admitted")
    again = microphone()
    await speaks(room, one, again)  # the page, by itself
    await again.pc.close()
    await until(lambda: one.hand.state == "admitted")
    assert here.spoke == ["Kim", None, "Kim", None]
    monkeypatch.setattr(talk, "COME_S", 0.1)
    await room.end(one.hand.id)
    late = raised(room)
    room.admit(late.hand.id)
    await until(lambda: late.why == "not_come")
    assert room.hands() == []


async def test_a_hand_is_taken_down_some_time_after_the_last_page_has_gone(
    talking: Callable[..., Talking], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = talking().room
    back, gone = raised(room), raised(room)
    for hand, grace in ((back, 0.1), (gone, 0.2), (back, 600)):
        monkeypatch.setattr(talk, "GRACE_S", grace)
        with room.shown(hand):
            pass
    await until(lambda: gone.why == "left")
    assert room.hands() == [back.hand]  # it came and went once more: its time began anew


async def test_a_voice_whose_successor_cannot_be_answered_is_over(
    talking: Callable[..., Talking], microphone: Callable[[], Microphone]
) -> None:
    here = talking()
    one = raised(here.room)
    here.room.admit(one.hand.id)
    await speaks(here.room, one, microphone())
    with pytest.raises(TalkError, match="could not be made"):
        await here.room.speak(one, "v=0")
    assert one.hand.state == "admitted"  # it has to come, or makes room
    assert here.spoke == ["Kim", None]


async def test_a_microphone_without_a_word_makes_room(
    microphone: Callable[[], Microphone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its network is gone: not even silence comes. One that never connects is let go as well."""
    monkeypatch.setattr(talk_child, "GONE_S", 0.5)
    monkeypatch.setattr(talk_child, "JOIN_S", 0.5)
    monkeypatch.setattr(talk_child, "LOOK_S", 0.05)
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(talk_child, "say", lambda **data: told.append(data))
    monkeypatch.setattr(talk_child.rtc, "answer", _no_answer)
    desk = talk_child.Desk()
    watching = asyncio.create_task(desk.watch_over())
    order = {"do": "speak", "voice": "v", "sdp": await microphone().offer()}
    await desk.take(order)
    await until(lambda: told)
    assert told == [{"event": "voice", "voice": "v", "state": "gone"}]
    assert desk.voices == {}
    watching.cancel()


async def _no_answer(_: Any, __: str) -> str:
    return "v=0"


def test_times_follow_the_speaker_and_not_the_network() -> None:
    times = talk_child.Times()
    told = []
    for number in range(100):
        late = 300_000 if number in range(40, 50) else 0
        piece = Encoded("audio", "opus", number * 960, number * 20_000 + late + 7, True, b"")
        told.append(times.of(piece))
    assert all(abs(at - number * 20_000) < 8000 for number, at in enumerate(told))
    resumed = Encoded("audio", "opus", 100 * 960, 60_000_000, True, b"")
    assert times.of(resumed) == 60_000_000

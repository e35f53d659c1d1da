"""The bus: order, many listeners, slow ones closed."""

from __future__ import annotations

import pytest

from controller.events import EventBus, SlowSubscriber
from controller.state import Event


def event(n: int, kind: str = "session") -> Event:
    return Event.model_validate({"kind": kind, "data": {"n": n}})


async def test_everyone_hears_everything_in_order() -> None:
    bus = EventBus()
    async with bus.subscribe() as first, bus.subscribe() as second:
        for n in range(5):
            bus.publish(event(n))
        bus.close()
        assert [e.data["n"] async for e in first] == [0, 1, 2, 3, 4]
        assert [e.data["n"] async for e in second] == [0, 1, 2, 3, 4]
    assert bus.subscribers == 0


async def test_slow_subscriber_is_closed_and_the_others_are_not() -> None:
    bus = EventBus(limit=3)
    async with bus.subscribe() as slow, bus.subscribe() as quick:
        heard = []
        for n in range(6):
            bus.publish(event(n))
            heard.append((await anext(quick)).data["n"])
        assert heard == [0, 1, 2, 3, 4, 5]
        with pytest.raises(SlowSubscriber):
            async for _ in slow:
                pass
        assert bus.subscribers == 1


async def test_levels_are_dropped_before_anyone_is_closed() -> None:
    bus = EventBus(limit=2)
    async with bus.subscribe() as listener:
        for n in range(5):
            bus.publish(event(n, "levels"))
        bus.close()
        assert [e.data["n"] async for e in listener] == [0, 1]


async def test_leaving_ends_the_subscription() -> None:
    bus = EventBus()
    async with bus.subscribe():
        assert bus.subscribers == 1
    bus.publish(event(0))
    assert bus.subscribers == 0

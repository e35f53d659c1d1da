"""The room's raised hands, for the routes that take and show them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from dashboard.watching import State
from streaming.live import LiveClass
from streaming.talk import SOURCE, TalkRoom


async def _talk(connection: HTTPConnection) -> TalkRoom:
    found = connection.app.state.talk
    assert isinstance(found, TalkRoom)
    return found


Talk = Annotated[TalkRoom, Depends(_talk)]


def recorded(one: LiveClass, now: State) -> bool:
    """Whether what is said from elsewhere is kept by this class at present."""
    return now == "live" and any(source.url == SOURCE for source in one.manifest.sources)

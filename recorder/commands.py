"""What may be said to a recorder, and what it does then."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from recorder.control import RecorderError, RecorderState, RecorderStatus
from recorder.feeds import Feeds
from recorder.recording import Layout
from recorder.sources import Source
from recorder.track import Track

_OWN_MARKS = {"start", "pause", "resume", "gap", "restart", "hold", "release", "end", "layout"}
_OWN_MARKS |= {"microphone"}
_PATIENCE_S = 3.0

log = logging.getLogger(__name__)


class Commanded(Protocol):
    """What is commanded: a class being recorded. Times are class seconds."""

    state: RecorderState
    layout: str
    held: float | None
    tracks: dict[str, Track]
    feeds: Feeds

    @property
    def sources(self) -> Mapping[str, Source]: ...
    def now(self) -> float: ...
    def mark(self, kind: str, t: float, **data: Any) -> asyncio.Future[None]: ...
    def changed(self) -> None: ...
    def status(self) -> RecorderStatus: ...
    def begin_finish(self) -> None: ...


class Commands:
    """Carries out the commands of the control socket; each is harmless when it is repeated."""

    def __init__(self, recorder: Commanded) -> None:
        self._recorder = recorder

    async def handle(self, name: str, args: dict[str, Any]) -> RecorderStatus:
        r = self._recorder
        if name == "status":
            return r.status()
        if r.state in ("finishing", "finished", "failed") and name != "finish":
            raise RecorderError(f"the recording is {r.state}; {name} comes too late")
        match name:
            case "pause":
                await self._pause()
            case "resume":
                await self._resume()
            case "layout":
                await self._set_layout(args.get("layout"))
            case "hold" if r.held is None:
                r.held = r.now()
                r.feeds.command("hold", r.held)
                await r.mark("hold", r.held)
            case "release" if r.held is not None:
                r.held, t = None, r.now()
                r.feeds.command("release", t)
                await r.mark("release", t)
            case "hold" | "release":
                pass
            case "finish":
                r.begin_finish()
            case "mark":
                await self._mark(args.get("kind"), args.get("data") or {})
            case "retry":
                self._retry(args.get("source"))
            case _:
                raise RecorderError(f"the command {name!r} is not known to this recorder")
        r.changed()
        return r.status()

    async def _pause(self) -> None:
        r = self._recorder
        if r.state == "paused":
            return
        t = r.now()
        r.state = "paused"
        r.feeds.pause(t)
        written = {name: track.pause() for name, track in r.tracks.items()}
        await asyncio.gather(*(asyncio.to_thread(_wait, *pair) for pair in written.items()))
        await r.mark("pause", t)

    async def _resume(self) -> None:
        r = self._recorder
        if r.state != "paused":
            return
        t = r.now()
        r.state = "recording"
        for track in r.tracks.values():
            track.resume(t)
        r.feeds.resume(t)
        await r.mark("resume", t)

    async def _set_layout(self, layout: object) -> None:
        r = self._recorder
        try:
            r.layout = Layout(str(layout)).value
        except ValueError:
            known = ", ".join(Layout)
            raise RecorderError(f"the layout {layout!r} is not known; known are {known}") from None
        t = r.now()
        r.feeds.layout(r.layout, t)
        await r.mark("layout", t, layout=r.layout)

    async def _mark(self, kind: object, data: object) -> None:
        r = self._recorder
        if not isinstance(kind, str) or not isinstance(data, dict) or kind in _OWN_MARKS:
            raise RecorderError(f"a marker of kind {kind!r} cannot be set from outside")
        t = r.now()
        r.feeds.command("mark", t, kind=kind, data=data)
        await r.mark(kind, t, **data)

    def _retry(self, source: object) -> None:
        r = self._recorder
        if source is not None and source not in r.sources:
            raise RecorderError(f"there is no source {source!r} to try again")
        for name, running in r.sources.items():
            if source in (None, name):
                running.retry()


def _wait(source: str, written: threading.Event) -> None:
    if not written.wait(_PATIENCE_S):
        log.warning("%s: what came before the pause is still being written", source)

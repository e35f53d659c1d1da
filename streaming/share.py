"""Sharing a screen to the board: who shares, who may, and what is shown.

The media stay in a child (`share_child`, aiortc) that is started when the first one shares; this
process passes descriptions of connections on and decides who is seen. The last one chosen is
shown; when that one leaves, whoever was shown before and still shares comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from recorder.shared import BOARD, socket_path
from streaming.ordered import Ordered, OrderError
from streaming.turns import Turns

log = logging.getLogger(__name__)

MAX_SHARERS = 6
MAX_VIEWERS = 8
ASKING_S = 8.0
MAX_ASKING = 40

Kind = Literal["screen", "camera"]


class ShareError(Exception):
    """It cannot be shared or watched. `code` is stable; the texts are for people."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.remedy = code, remedy


class Person(BaseModel):
    """Who shares or wants to: `key` is the same for one browser or tablet, `leads` may decide."""

    key: str
    name: str
    leads: bool = False


class Sharer(BaseModel):
    """One who shares now. `chosen` counts up with each time that somebody was chosen."""

    id: str
    person: Person
    kind: Kind
    state: Literal["connecting", "live", "stalled"] = "connecting"
    codec: str = ""
    since: float
    chosen: int = 0


class ShareRoom:
    """One room's shared screens. All methods are called on the event loop."""

    def __init__(
        self,
        run_dir: Path,
        *,
        on_shown: Callable[[Sharer | None], None] = lambda _: None,
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled
        self.sharers: dict[str, Sharer] = {}
        self.shown: str | None = None
        self.allowed: dict[str, str] = {}  # key → name of those whom the lecturer has chosen
        self.turns = Turns()
        self.ended: deque[str] = deque(maxlen=50)  # what was ended here, and is not to come back
        self._asking: dict[str, tuple[str, float]] = {}
        self._viewers: set[str] = set()
        self._socket = socket_path(run_dir, BOARD)
        self._on_shown = on_shown
        self._told: str | None = None
        self._count = 0
        self._child = Ordered(
            "streaming.share_child",
            str(self._socket),
            busy=lambda: bool(self.sharers or self._viewers),
            on_event=self._hear,
            on_end=self._ended,
        )

    # --- who may ---------------------------------------------------------------------------------

    def missing(self) -> ShareError | None:
        """Why nobody can share here, if so."""
        if not self.enabled:
            return ShareError(
                "sharing_off", "Sharing is switched off.", "Set share = true under [streaming]."
            )
        if importlib.util.find_spec("aiortc") is None:
            return ShareError(
                "no_webrtc",
                "This room cannot take shared screens.",
                "Install classroomd[webrtc] (aiortc) and restart the daemon.",
            )
        return None

    def ask(self, person: Person) -> None:
        """Somebody is on the page and would like to share; to be repeated every few seconds."""
        if person.leads or person.key in self.allowed or len(self._asking) >= MAX_ASKING:
            return
        new = person.key not in self._asking
        self._asking[person.key] = (person.name, time.monotonic() + ASKING_S)
        if new:
            self._change()

    def asking(self) -> dict[str, str]:
        """Who would like to share now: key → name."""
        now = time.monotonic()
        self._asking = {key: one for key, one in self._asking.items() if one[1] > now}
        return {key: name for key, (name, _) in self._asking.items()}

    def allow(self, key: str) -> None:
        """Chooses one who asks. Raises ShareError when that one has gone."""
        name = self.asking().get(key)
        if name is None:
            raise ShareError("not_there", "This one is no longer there.", "Choose another.")
        del self._asking[key]
        self.allowed[key] = name
        self._change()

    async def disallow(self, key: str) -> None:
        """Takes the permission back and ends what is shared with it."""
        self.allowed.pop(key, None)
        for sharer in [one for one in self.sharers.values() if one.person.key == key]:
            await self.close(sharer.id)
        self._change()

    def may(self, person: Person) -> bool:
        """Whether this one may share."""
        return person.leads or person.key in self.allowed

    # --- sharing ---------------------------------------------------------------------------------

    async def publish(self, person: Person, kind: Kind, sdp: str) -> tuple[str, str]:
        """Takes a screen or camera: its id, and the answer to the offer. It is shown at once.

        Whoever shares already shares this instead. Raises ShareError.
        """
        if not self.may(person):
            raise ShareError(
                "not_chosen",
                "You have not been chosen to share.",
                "Ask your teacher to choose you.",
            )
        before = [one for one in self.sharers.values() if one.person.key == person.key]
        if len(self.sharers) - len(before) >= MAX_SHARERS:
            raise ShareError(
                "too_many", "Too many share at the same time.", "Wait until one of them stops."
            )
        id_ = secrets.token_hex(6)
        answer = await self._order("publish", sharer=id_, sdp=sdp)
        self.sharers[id_] = Sharer(id=id_, person=person, kind=kind, since=time.time())
        await self.show(id_)
        for old in before:
            await self.close(old.id)
        return id_, answer["sdp"]

    async def show(self, id_: str | None) -> None:
        """Chooses who is shown; None: nothing. Raises ShareError for one who does not share."""
        if id_ is not None:
            if id_ not in self.sharers:
                raise ShareError("not_there", "This one no longer shares.", "Choose another.")
            self._count += 1
            self.sharers[id_].chosen = self._count
        elif self.shown is not None:
            for sharer in self.sharers.values():
                sharer.chosen = 0
        self.shown = id_
        if self._child.process is not None:
            await self._order("show", sharer=id_)
        self._change()

    async def close(self, id_: str) -> None:
        """Ends what somebody shares."""
        if id_ in self.sharers:
            self.ended.append(id_)
            with contextlib.suppress(ShareError):
                await self._order("close", sharer=id_)
            await self._gone(id_)

    async def clear(self) -> None:
        """The class is over: nobody shares and nobody is chosen any more."""
        self.allowed.clear()
        for id_ in list(self.sharers):
            await self.close(id_)
        self._change()

    async def _gone(self, id_: str) -> None:
        self.sharers.pop(id_, None)
        if self.shown == id_:
            live = [one for one in self.sharers.values() if one.chosen]
            before = max(live, key=lambda one: one.chosen, default=None)
            self.shown = None if before is None else before.id
            with contextlib.suppress(ShareError):
                await self._order("show", sharer=self.shown)
        self._change()

    # --- watching --------------------------------------------------------------------------------

    async def watch(self, sdp: str) -> tuple[str, str]:
        """A viewer of what is shown: its id, and the answer to its offer. Raises ShareError."""
        if self.shown is None:
            raise ShareError("nothing_shown", "Nobody shares a screen now.", "Wait for one.")
        if len(self._viewers) >= MAX_VIEWERS:
            raise ShareError("too_many", "Too many boards are watching.", "Close one of them.")
        id_ = secrets.token_hex(6)
        self._viewers.add(id_)
        try:
            answer = await self._order("watch", viewer=id_, sdp=sdp)
        except ShareError:
            self._viewers.discard(id_)
            raise
        return id_, answer["sdp"]

    async def unwatch(self, id_: str) -> None:
        """A viewer leaves."""
        if id_ in self._viewers:
            self._viewers.discard(id_)
            with contextlib.suppress(ShareError):
                await self._order("close", viewer=id_)

    def _change(self) -> None:
        self.turns.change()
        if self.shown != self._told:
            self._told = self.shown
            self._on_shown(self.sharers.get(self.shown) if self.shown else None)

    # --- the child -------------------------------------------------------------------------------

    async def _order(self, what: str, **about: Any) -> dict[str, Any]:
        if (missing := self.missing()) is not None:
            raise missing
        self._socket.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            return await self._child.order(what, **about)
        except OrderError as error:
            raise ShareError(
                "no_connection",
                "The connection for sharing could not be made.",
                "Try again; another browser may help.",
            ) from error

    def _hear(self, told: dict[str, Any]) -> None:
        if told["event"] == "viewer":
            self._viewers.discard(told["viewer"])
        elif told["event"] == "sharer" and told["sharer"] in self.sharers:
            sharer = self.sharers[told["sharer"]]
            if told["state"] == "gone":
                # Not awaited: the answer to what it orders is read by who calls this.
                self._later = asyncio.create_task(self._gone(sharer.id))
            else:
                sharer.state, sharer.codec = told["state"], told["codec"]
                self._change()

    def _ended(self) -> None:
        if self.sharers:
            log.warning("share: the process that holds the screens has ended")
        self.sharers.clear()
        self._viewers.clear()
        self.shown = None
        self._change()

    async def stop(self) -> None:
        """Ends the child and everything that it holds."""
        await self._child.stop()
        with contextlib.suppress(OSError):
            self._socket.unlink(missing_ok=True)

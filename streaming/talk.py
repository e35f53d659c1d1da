"""Talk-back: who watches from elsewhere asks to speak, and is heard in the room when admitted.

The sound is in a child (`talk_child`, aiortc) that is there while somebody speaks; here is who has
raised a hand, who speaks, and what their page is told. One speaks at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from recorder.shared import TALK, socket_path
from streaming import loudspeaker
from streaming.ordered import Ordered, OrderError
from streaming.turns import Turns

log = logging.getLogger(__name__)

SOURCE = f"webrtc://{TALK}"
"""The source that records what is said."""
SPEAKERS = 1
MAX_HANDS = 20
MAX_NAME = 60
HANDS_EACH = 3
ASKS_EACH, ASKS_S = 6, 60.0
COME_S = 45.0
GRACE_S = 6.0

State = Literal["asking", "admitted", "speaking", "over"]
Why = Literal["", "ended", "not_come", "class_over", "not_allowed", "left"]


class TalkError(Exception):
    """It cannot be asked or spoken. `code` is stable; the texts are for people."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.remedy = code, remedy


class Hand(BaseModel):
    """One who asks or speaks, as those who teach see it. `since`: Unix seconds of this state."""

    id: str
    name: str
    state: State = "asking"
    muted: bool = False
    since: float


class Raised:
    """A raised hand as it is kept here; `place` is known to its owner only, `pages` show it."""

    def __init__(self, recording: str, asker: str, name: str) -> None:
        self.hand = Hand(id=secrets.token_hex(6), name=name, since=time.time())
        self.recording, self.asker = recording, asker
        self.place = secrets.token_urlsafe(16)
        self.why: Why = ""
        self.pages = 0
        self.timer: asyncio.TimerHandle | None = None
        self.leaving: asyncio.TimerHandle | None = None


class TalkRoom:
    """One room's raised hands. All methods are called on the event loop.

    `output`: the address of a loudspeaker (`streaming.loudspeaker`), or None. `on_speaking` is
    told the one who is heard now, or None; `on_output` what is wrong with the output, or "".
    """

    def __init__(
        self,
        run_dir: Path,
        *,
        enabled: bool = False,
        output: str | None = None,
        on_speaking: Callable[[Hand | None], None] = lambda _: None,
        on_output: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.enabled, self.output = enabled, output
        self.trouble = ""  # what is wrong with the output
        self.turns = Turns()
        self._raised: dict[str, Raised] = {}  # by the hand's id
        self._asked: dict[str, deque[float]] = {}
        self._on_speaking, self._on_output = on_speaking, on_output
        self._told: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket_path(run_dir, TALK)
        self._child = Ordered(
            "streaming.talk_child",
            str(self._socket),
            *([] if output is None else [output]),
            busy=lambda: any(one.hand.state == "speaking" for one in self._raised.values()),
            on_event=self._hear,
            on_end=self._ended,
        )

    # --- what there is ---------------------------------------------------------------------------

    def missing(self) -> TalkError | None:
        """Why nobody can speak here, if so."""
        if not self.enabled:
            return TalkError(
                "talk_off",
                "Nobody can speak into this room from elsewhere.",
                "Set enabled = true under [streaming.talk].",
            )
        if importlib.util.find_spec("aiortc") is None:
            return TalkError(
                "no_webrtc",
                "This room cannot take a remote voice.",
                "Install classroomd[webrtc] (aiortc) and restart the daemon.",
            )
        return None

    @property
    def heard(self) -> bool:
        """Whether the room hears who speaks."""
        return self.output is not None and not self.trouble

    def hands(self) -> list[Hand]:
        """Everybody who asks or speaks, in the order in which they asked."""
        return [one.hand for one in self._raised.values()]

    # --- those who ask ---------------------------------------------------------------------------

    def raise_hand(self, recording: str, asker: str, name: str) -> Raised:
        """Somebody would like to speak. `asker` names where they come from, for the limits.

        Raises TalkError.
        """
        if (missing := self.missing()) is not None:
            raise missing
        if not (name := " ".join(name.split())[:MAX_NAME]):
            raise TalkError("no_name", "Say who you are.", "Type your name.")
        now = time.monotonic()
        for key in [key for key, times in self._asked.items() if now - times[-1] > ASKS_S]:
            del self._asked[key]
        times = self._asked.setdefault(asker, deque([now - ASKS_S], maxlen=ASKS_EACH))
        if len(times) == ASKS_EACH and now - times[0] < ASKS_S:
            raise TalkError("too_soon", "You have asked several times.", "Wait a minute.")
        mine = sum(one.asker == asker for one in self._raised.values())
        if mine >= HANDS_EACH or len(self._raised) >= MAX_HANDS:
            raise TalkError("too_many", "Too many ask to speak now.", "Ask in writing, or wait.")
        times.append(now)
        raised = Raised(recording, asker, name)
        self._raised[raised.hand.id] = raised
        self.turns.change()
        return raised

    def at(self, place: str) -> Raised | None:
        """The hand that is known to its owner by `place`."""
        return next((one for one in self._raised.values() if one.place == place), None)

    @contextlib.contextmanager
    def shown(self, raised: Raised) -> Iterator[None]:
        """A page is there with this hand; when the last one has gone for a while, it is lowered."""
        raised.pages += 1
        try:
            yield
        finally:
            raised.pages -= 1
            if raised.leaving is not None:
                raised.leaving.cancel()  # the time begins anew with each that leaves
            loop = asyncio.get_running_loop()
            raised.leaving = loop.call_later(GRACE_S, self._left, raised)

    def _left(self, raised: Raised) -> None:
        if raised.pages == 0:
            self._later(self.lower(raised))

    async def lower(self, raised: Raised, why: Why = "left") -> None:
        """Takes a hand down, and ends what its owner says."""
        if self._raised.pop(raised.hand.id, None) is None:
            return
        _stop(raised)
        spoke = raised.hand.state != "asking"
        raised.why = why
        self._be(raised, "over")
        if spoke and self._child.process is not None:
            with contextlib.suppress(OrderError):
                await self._child.order("close", voice=raised.hand.id)

    async def speak(self, raised: Raised, sdp: str) -> str:
        """Takes the sound of one who was admitted: the answer to the offer. Raises TalkError."""
        if raised.hand.state not in ("admitted", "speaking"):
            raise TalkError("not_admitted", "You have not been admitted.", "Wait to be admitted.")
        self._socket.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            muted = raised.hand.muted
            told = await self._child.order("speak", voice=raised.hand.id, sdp=sdp, muted=muted)
        except OrderError as error:
            raise TalkError(
                "no_connection", "The connection could not be made.", "Try again."
            ) from error
        if raised.hand.id not in self._raised:  # ended meanwhile
            with contextlib.suppress(OrderError):
                await self._child.order("close", voice=raised.hand.id)
            raise TalkError("not_admitted", "This has been ended.", "")
        if raised.hand.muted != muted:  # decided while the child was being started
            await self.mute(raised.hand.id, raised.hand.muted)
        return str(told["sdp"])

    # --- those who teach -------------------------------------------------------------------------

    def admit(self, id_: str) -> Hand:
        """Lets one speak. Raises TalkError when that one has gone, or another speaks."""
        raised = self._known(id_)
        if raised.hand.state == "asking":
            admitted = sum(one.hand.state != "asking" for one in self._raised.values())
            if admitted >= SPEAKERS:
                raise TalkError("one_speaks", "Somebody speaks already.", "End that first.")
            self._wait_for(raised)
            self._be(raised, "admitted")
        return raised.hand

    async def mute(self, id_: str, muted: bool) -> Hand:
        """Neither heard nor recorded, or again. Raises TalkError."""
        raised = self._known(id_)
        raised.hand.muted = muted
        self.turns.change()
        if self._child.process is not None:
            with contextlib.suppress(OrderError):
                await self._child.order("mute", voice=id_, muted=muted)
        return raised.hand

    async def end(self, id_: str) -> Hand:
        """Ends what one says, or declines. Raises TalkError."""
        raised = self._known(id_)
        await self.lower(raised, "ended")
        return raised.hand

    async def clear(self) -> None:
        """The class is over."""
        for raised in list(self._raised.values()):
            await self.lower(raised, "class_over")

    async def stop(self) -> None:
        """Ends everything."""
        await self.clear()
        await self._child.stop()
        with contextlib.suppress(OSError):
            self._socket.unlink(missing_ok=True)

    def _known(self, id_: str) -> Raised:
        raised = self._raised.get(id_)
        if raised is None:
            raise TalkError("not_there", "This one is no longer there.", "Choose another.")
        return raised

    # --- what happens ----------------------------------------------------------------------------

    def _be(self, raised: Raised, state: State) -> None:
        raised.hand.state, raised.hand.since = state, time.time()
        self.turns.change()
        speaks = next((one for one in self.hands() if one.state == "speaking"), None)
        now = None if speaks is None else speaks.id
        if now != self._told:
            self._told = now
            self._on_speaking(speaks)

    def _wait_for(self, raised: Raised) -> None:
        """One who was admitted and does not come makes room."""
        _stop(raised)

        loop = asyncio.get_running_loop()
        raised.timer = loop.call_later(COME_S, lambda: self._later(self.lower(raised, "not_come")))

    def _later(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hear(self, told: dict[str, Any]) -> None:
        if told["event"] == "output":
            self.trouble = str(told["detail"])
            self.turns.change()
            self._on_output(self.trouble)
        elif (raised := self._raised.get(told["voice"])) is not None:
            if told["state"] == "heard":
                _stop(raised)
                self._be(raised, "speaking")
            else:
                self._lost(raised)

    def _lost(self, raised: Raised) -> None:
        """The connection is gone; its page may make another while it holds its hand up."""
        if raised.hand.state == "speaking":
            self._wait_for(raised)
            self._be(raised, "admitted")

    def _ended(self) -> None:
        if any(one.hand.state == "speaking" for one in self._raised.values()):
            log.warning("talk: the process that holds the voice has ended")
        for raised in list(self._raised.values()):
            self._lost(raised)


def _stop(raised: Raised) -> None:
    if raised.timer is not None:
        raised.timer.cancel()
        raised.timer = None


def problems(enabled: bool, output: str | None) -> list[str]:
    """What is missing on this computer for talk-back, each with what to do."""
    found = []
    if enabled and importlib.util.find_spec("aiortc") is None:
        found.append("no aiortc: install classroomd[webrtc]")
    if enabled and output is not None:
        found += loudspeaker.problems(output)
    return found

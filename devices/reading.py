"""When which state of a device is read: the poll plan, and what was never read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from devices.clock import Clock
from devices.codec import Codec, Request
from devices.knowledge import Knowledge
from devices.model import Health, Power
from firmware_profiles.schema import Profile

UNREACHED_S = 5.0
UNANSWERED_TIMES = 3


class Reader:
    """Puts readings into the queue through `ask(request, polled)`."""

    def __init__(
        self,
        profile: Profile,
        codec: Codec,
        knowledge: Knowledge,
        clock: Clock,
        *,
        ask: Callable[[Request, bool], None],
        idle_s: float | None = None,
    ) -> None:
        """`idle_s`: the device hangs up when it hears nothing for so long."""
        self._poll, self._codec, self._knowledge = profile.poll, codec, knowledge
        self._clock, self._ask = clock, ask
        self._longest = (idle_s or 1e9) * 0.7
        self._unsupported: set[str] = set()
        self._unread: set[str] = set()
        self._silent: dict[str, tuple[int, bool]] = {}
        self._all = True
        self._now = asyncio.Event()

    def soon(self, *, everything: bool = False) -> None:
        """Read now, not at the next turn; `everything`: also what is read only once."""
        self._all = self._all or everything
        self._now.set()

    def was_read(self, name: str) -> None:
        """`name` was answered."""
        self._unread.discard(name)
        self._silent.pop(name, None)
        for other in self._silent:
            self._silent[other] = (self._silent[other][0], True)

    def unanswered(self, name: str) -> None:
        """No answer to `name`. When others are answered and this never, it isn't asked again."""
        times, others = self._silent.get(name, (0, True))
        times += 1 if others else 0
        self._silent[name] = (times, False)
        if times >= UNANSWERED_TIMES:
            self.unsupported(name)

    def unsupported(self, name: str) -> None:
        """The device doesn't know this query: don't ask again."""
        self._unsupported.add(name)

    def read(self, name: str, *, polled: bool = False) -> None:
        """Ask for one state, when it can be asked."""
        command = self._codec.commands.get(name)
        if command is not None and command.getter is not None and name not in self._unsupported:
            self._ask(self._codec.get(name), polled)

    async def run(self, each_turn: Callable[[], None], hurried: Callable[[], bool]) -> None:
        """Read by the plan, for ever. `each_turn` is called first; `hurried` makes turns short."""
        self._all = True
        while True:
            each_turn()
            if self._all:
                self._unread, self._all = set(self._codec.commands), False
            self._turn()
            self._now.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, self._pause(hurried()) / self._clock.scale)):
                    await self._now.wait()

    def _turn(self) -> None:
        if self._codec.broadcast:
            return
        power = self._knowledge.power.state
        live = not self._knowledge.has_power or power in (Power.ON, Power.UNKNOWN)
        names = list(self._codec.commands) if live else list(self._poll.standby)
        for name in sorted(names, key=lambda name: name != "power"):
            command = self._codec.commands.get(name)
            if command is not None and (command.spec.poll or name in self._unread):
                self.read(name, polled=True)

    def _pause(self, hurried: bool) -> float:
        """Seconds, by the device's clock, to the next turn."""
        return min(self._longest, self._planned(hurried))

    def _planned(self, hurried: bool) -> float:
        poll, power = self._poll, self._knowledge.power
        if power.changing:
            left = power.ready_in()
            return min(poll.changing_s, left * self._clock.scale if left else 0.2)
        online = self._knowledge.health is Health.ONLINE
        if self._knowledge.has_power and power.state is not Power.ON:
            return poll.standby_s if online and not hurried else poll.changing_s
        if not online:
            return min(poll.every_s, UNREACHED_S)
        return min(poll.every_s, poll.changing_s) if hurried else poll.every_s

"""Commands that a device can't take now: kept as desired state, sent when it can."""

from __future__ import annotations

from devices.clock import Clock
from devices.codec import Request
from devices.knowledge import Knowledge
from devices.model import Power
from devices.moves import Moves
from devices.queue import CommandQueue, Item
from firmware_profiles.schema import PowerModel

DESIRED_S = 600.0


def keepable(request: Request) -> bool:
    """Does it make sense to send this later? Not for steps, moves and things done once."""
    spec = request.command.spec
    return spec.idempotent and spec.stop is None and request.command.kind != "action"


class Waiting:
    """What is held for one device; the newest per key, for ten minutes."""

    def __init__(
        self,
        power: PowerModel,
        knowledge: Knowledge,
        queue: CommandQueue,
        moves: Moves,
        clock: Clock,
    ) -> None:
        self._power, self._knowledge = power, knowledge
        self._queue, self._moves, self._clock = queue, moves, clock
        self.held: dict[str, tuple[Item, float]] = {}

    def __bool__(self) -> bool:
        return bool(self.held)

    def keep(self, item: Item, why: str) -> None:
        """Hold a command when that makes sense, and tell its caller."""
        if item.request.action == "get":
            return
        if keepable(item.request):
            self.held[item.key] = (item, self._clock.now() + DESIRED_S)
            item.finish("queued", why)
        elif item.is_stop:
            self._moves.owed[item.key] = item.request
            item.finish("queued", why)
        else:
            item.finish("failed", why)
        self._knowledge.show()

    def forget(self, key: str) -> None:
        """A newer command of this key is on its way."""
        self.held.pop(key, None)

    def release(self) -> None:
        """Send what is held, unless the device is there already or still can't take it."""
        held, self.held = self.held, {}
        for item, until in held.values():
            request = item.request
            if self._clock.now() > until or self._knowledge.actual(request.state) == request.value:
                self._knowledge.undesire(request)
            elif self.blocked(request) is not None:
                self.held[item.key] = (item, until)
            else:
                self._queue.put_back(item)

    def blocked(self, request: Request) -> str | None:
        """Why the device can't take this now; None when it can."""
        command, power = request.command, self._knowledge.power
        if not self._knowledge.has_power:
            return None
        left = power.ready_in()
        state = power.state.value + (f", {left:.0f} s" if left else "")
        if command.name == "power":
            opposite = power.changing and power.target is not request.value
            return f"{state}; sent when that is over" if opposite and self._power.hold else None
        if power.state.value in (command.spec.when or ("on", "unknown")):
            return None
        if self._knowledge.desired("power") is True and power.state is Power.OFF:
            state = "switching on"
        return f"{state}; sent when it is on"

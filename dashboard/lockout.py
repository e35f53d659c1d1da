"""Lock-out: how long someone who typed a wrong PIN or password must wait."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FREE_TRIES = 5
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = 900.0
FORGET_S = 3600.0
ROOM_TRIES = 30
REMEMBERED = 2048


@dataclass
class _Count:
    fails: int = 0
    until: float = 0.0
    last: float = 0.0


class Lockout:
    """Counts failed logins per caller, and for all unknown callers together.

    A caller is a network address, or a browser that has logged in here before (`known`): the
    guesses of others never lock the panel on the wall out. After FREE_TRIES failures the wait
    doubles from FIRST_WAIT_S up to LONGEST_WAIT_S; ROOM_TRIES failures by unknown callers together
    make all unknown callers wait, so that many addresses guess no faster than one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._room = _Count()

    def wait_s(self, caller: str, *, known: bool) -> float:
        """Seconds until `caller` may try again; 0 when at once."""
        now = self._clock()
        count = self._counts.get(caller)
        waits = [count.until - now] if count else []
        if not known:
            waits.append(self._room.until - now)
        return max([0.0, *waits])

    def failed(self, caller: str, *, known: bool) -> None:
        """Count one failure."""
        count = self._counts.setdefault(caller, _Count())
        self._counts.move_to_end(caller)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        self._add(count, FREE_TRIES)
        if not known:
            self._add(self._room, ROOM_TRIES)

    def succeeded(self, caller: str) -> None:
        """Forget the failures of `caller`."""
        self._counts.pop(caller, None)

    def _add(self, count: _Count, free: int) -> None:
        now = self._clock()
        if now - count.last > FORGET_S:
            count.fails = 0
        count.fails += 1
        count.last = now
        if count.fails >= free:
            wait = FIRST_WAIT_S * 2.0 ** min(count.fails - free, 10)
            count.until = now + min(wait, LONGEST_WAIT_S)


def caller_of(address: str | None) -> str:
    """The name a network address is counted under: an IPv6 host owns its whole /64."""
    if address is None:
        return "local"
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return parsed.exploded[:19]
    return address

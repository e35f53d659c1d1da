"""Limits: how much one sender may send, and how often one address may guess."""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Allows `rate` messages a second on average and `burst` at once."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens = burst
        self._at = clock()

    def take(self, amount: float = 1.0) -> bool:
        """Returns whether `amount` is allowed now, and counts it if so."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True


class GuessLimit:
    """Counts wrong guesses by address in a sliding window of `window_s` seconds.

    An address is refused after `each` wrong guesses. After `total` wrong guesses from anywhere,
    every address that has guessed wrong once is refused, so that many addresses together cannot
    try a code space; an address without a wrong guess still may try.
    """

    def __init__(
        self,
        each: int = 8,
        total: int = 300,
        window_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each, self._total, self._window, self._clock = each, total, window_s, clock
        self._wrong: dict[str, list[float]] = {}

    def allows(self, address: str) -> bool:
        """Returns whether `address` may guess now."""
        self._forget()
        own = len(self._wrong.get(address, ()))
        everyone = sum(map(len, self._wrong.values()))
        return own < self._each and (own == 0 or everyone < self._total)

    def wrong(self, address: str) -> None:
        """Counts a wrong guess."""
        self._wrong.setdefault(address, []).append(self._clock())

    def _forget(self) -> None:
        since = self._clock() - self._window
        for address, times in list(self._wrong.items()):
            kept = [at for at in times if at > since]
            if kept:
                self._wrong[address] = kept
            else:
                del self._wrong[address]

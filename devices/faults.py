"""What goes wrong on purpose in a simulated device."""

from __future__ import annotations

import random
from collections.abc import Iterable

NAMES = {
    "split": "answers arrive in pieces of a byte or two",
    "merge": "two answers arrive as one piece",
    "nak": "every third command is refused",
    "busy": "every third command is answered busy",
    "late": "every fourth answer comes after the time-out",
    "silent": "no answer at all",
    "silent-warming": "no answer while warming or cooling",
    "garbage": "random bytes before answers",
    "echo": "received frames come back first",
    "flap": "the link is cut after every fifth frame",
    "power-cut": "after ten frames the device loses power once and starts anew",
}
PERIODS = {"nak": 3, "busy": 3, "late": 4, "flap": 5, "power-cut": 10}


class Faults:
    """The faults that are switched on; `name=N` sets how often it strikes."""

    def __init__(self, names: Iterable[str] = (), *, seed: int = 1) -> None:
        """Raises ValueError for an unknown name."""
        self._periods: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self.random = random.Random(seed)  # noqa: S311 - reproducible faults
        for text in names:
            name, _, period = text.partition("=")
            if name not in NAMES or (period and not period.isdigit()):
                raise ValueError(f"no fault {text!r}; there is {', '.join(NAMES)}")
            self._periods[name] = int(period or PERIODS.get(name, 1))

    def on(self, name: str) -> bool:
        """Is this fault switched on?"""
        return name in self._periods

    def clear(self) -> None:
        """From now on everything works."""
        self._periods.clear()

    def strikes(self, name: str) -> bool:
        """Count one more occasion; True when the fault strikes at this one."""
        period = self._periods.get(name)
        if not period:
            return False
        self._counts[name] = self._counts.get(name, 0) + 1
        if name == "power-cut":
            return self._counts[name] == period
        return self._counts[name] % period == 0

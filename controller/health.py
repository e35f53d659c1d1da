"""Alarms: facts put into words that a person can act on.

A teacher is told only what a teacher can do something about; cables go to the technician and
platforms to the administrator. Each alarm says what is wrong, what that means, and the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from controller.session import now_utc
from controller.state import Alarm, DeliveryView
from devices.model import DeviceState, Health

Who = Literal["instructor", "technician", "admin"]
Severity = Literal["info", "warning", "critical"]

_WEIGHT = {"critical": 0, "warning": 1, "info": 2}
_SEEN_BY_CLASS = {"display", "projector", "camera"}


class Words(NamedTuple):
    """An alarm without its place in time."""

    severity: Severity
    who: Who
    text: str
    remedy: str


class AlarmBoard:
    """The alarms that stand now; `on_change` is told all of them, the heaviest first."""

    def __init__(self, on_change: Callable[[list[Alarm]], None]) -> None:
        self._on_change = on_change
        self._alarms: dict[str, Alarm] = {}

    def set(self, alarm: str, words: Words | None, subject: str = "") -> None:
        """Raise, reword or (with None) clear the alarm with this id."""
        old = self._alarms.get(alarm)
        if words is None:
            if old is None:
                return
            del self._alarms[alarm]
        else:
            new = Alarm(
                id=alarm,
                severity=words.severity,
                who=words.who,
                text=words.text,
                remedy=words.remedy,
                since=old.since if old else now_utc(),
                subject=subject,
            )
            if new == old:
                return
            self._alarms[alarm] = new
        self._on_change(self.alarms())

    def clear(self, prefix: str) -> None:
        """Clear every alarm whose id begins with `prefix`."""
        gone = [alarm for alarm in self._alarms if alarm.startswith(prefix)]
        for alarm in gone:
            del self._alarms[alarm]
        if gone:
            self._on_change(self.alarms())

    def stands(self, alarm: str) -> bool:
        """Whether the alarm with this id stands."""
        return alarm in self._alarms

    def alarms(self) -> list[Alarm]:
        """What stands, the heaviest first, then the newest."""
        standing = sorted(self._alarms.values(), key=lambda alarm: alarm.since, reverse=True)
        return sorted(standing, key=lambda alarm: _WEIGHT[alarm.severity])


def recorder_fact(code: str, source: str, detail: str) -> Words:
    """A fact that the recorder reports about a source, the disk, the program or the clock."""
    name = source or "A source"
    more = f" ({detail})" if detail else ""
    table: dict[str, Words] = {
        "source_lost": Words(
            "warning",
            "instructor",
            f"{name} has stopped delivering{more}. The other sources are recorded.",
            f"Check that {name} is on and connected; it is taken back by itself.",
        ),
        "source_failed": Words(
            "warning",
            "instructor",
            f"{name} cannot be opened{more}. The other sources are recorded.",
            f"Check that {name} is on and connected, then press Retry.",
        ),
        "no_source": Words(
            "critical",
            "instructor",
            "Nothing is being recorded: no source delivers.",
            "Switch camera and microphone on, then press Retry.",
        ),
        "silent": Words(
            "warning",
            "instructor",
            f"{name} is silent: the recording has no sound from it.",
            "Is the microphone switched on, and not muted? Check its battery.",
        ),
        "clipped": Words(
            "warning",
            "instructor",
            f"{name} is too loud: its sound is cut off and distorted.",
            "Turn its gain down, or hold it farther away.",
        ),
        "wrong_size": Words(
            "warning",
            "technician",
            f"The picture of {name} has another size than it should{more}.",
            f"Check the settings of {name} and of what feeds it.",
        ),
        "wrong_rate": Words(
            "warning",
            "technician",
            f"The picture of {name} comes too slowly{more}.",
            f"Check the light, the settings of {name} and its network.",
        ),
        "packets_lost": Words(
            "warning",
            "technician",
            f"A part of what {name} sends gets lost on the way{more}.",
            f"Check the network to {name}, or take it over TCP.",
        ),
        "black": Words(
            "warning",
            "instructor",
            f"The picture of {name} is black.",
            "Remove the lens cover, wake the computer, or choose the right input.",
        ),
        "frozen": Words(
            "warning",
            "technician",
            f"The picture of {name} does not move.",
            f"Check the signal to {name}; switch it off and on if it hangs.",
        ),
        "disk_low": Words(
            "warning",
            "technician",
            f"The disk is getting full{more}.",
            "Deliver or remove old recordings: classroomd recordings prune.",
        ),
        "disk_full": Words(
            "critical",
            "instructor",
            "The disk is full: nothing more is being recorded. What was recorded is safe.",
            "Call the technician; the class itself goes on.",
        ),
        "disk_slow": Words(
            "warning",
            "technician",
            f"The disk is too slow for this recording{more}.",
            "Check the disk's health, and whether something else writes to it.",
        ),
        "program_lost": Words(
            "info",
            "technician",
            f"The lecture's picture is being restarted{more}. The tracks are complete.",
            "Nothing to do: the missing part is made from the tracks after class.",
        ),
        "clock_unsynchronised": Words(
            "info",
            "technician",
            "This machine's clock is not synchronised.",
            "Check the NTP service (timedatectl).",
        ),
    }
    return table.get(
        code,
        Words("warning", "technician", f"{name}: {code}{more}.", "See the recorder's log."),
    )


def device_words(state: DeviceState, *, in_class: bool) -> Words | None:
    """An unreachable or troubled device; what the class sees is said to the teacher in class."""
    name = state.name or state.id
    more = f" ({state.detail})" if state.detail else ""
    if state.health is Health.OFFLINE and state.profile == "auto":
        return Words(
            "warning",
            "technician",
            f"{name} is not recognised{more}.",
            "Check its power, cable and password, or name its profile in room.toml; "
            "`classroomd devices discover` shows what answers.",
        )
    if state.health is Health.OFFLINE:
        if in_class and state.kind in _SEEN_BY_CLASS:
            return Words(
                "warning",
                "instructor",
                f"{name} does not answer. The recording is not affected.",
                f"Switch {name} on with its own button or remote; call the technician if it stays.",
            )
        return Words(
            "warning",
            "technician",
            f"{name} does not answer{more}.",
            "Check its power, cable and network address; it is taken back by itself.",
        )
    if state.health is Health.DEGRADED:
        return Words(
            "info",
            "technician",
            f"{name} answers unreliably{more}.",
            "Check cable, baud rate and address; the traffic view shows what arrives.",
        )
    return None


def delivery(view: DeliveryView) -> Words | None:
    """A delivery that has failed or is stuck."""
    more = f": {view.detail}" if view.detail else ""
    if view.state == "failed":
        return Words(
            "warning",
            "admin",
            f"A recording could not be delivered to {view.target}{more}",
            view.remedy or "Correct the target's settings, then retry the delivery.",
        )
    if view.state == "withdrawing" and view.attempts >= 5:
        return Words(
            "warning",
            "admin",
            f"A recording could not be taken back from {view.target} yet{more}",
            view.remedy or "It is tried again by itself; if it is urgent, delete it there by hand.",
        )
    if view.state == "retrying" and view.attempts >= 5:
        return Words(
            "info",
            "admin",
            f"A recording is waiting for {view.target} after {view.attempts} tries{more}",
            view.remedy or "It is tried again by itself; the recording is kept until then.",
        )
    return None


def no_room_on_disk(free: float, reserve: float) -> Words:
    """There is less space than the reserve (bytes), so that no recording may begin."""
    return Words(
        "critical",
        "instructor",
        f"The disk has {free / 1e9:.1f} GB free and needs {reserve / 1e9:.1f} GB:"
        " classes cannot be recorded.",
        "Call the technician to free space, then press Retry. The room works without recording.",
    )


def short_disk(free: float, need: float, minutes: float) -> Words:
    """There is less space (bytes) than a class of `minutes` took lately."""
    return Words(
        "warning",
        "technician",
        f"The disk has {free / 1e9:.1f} GB free; a class of {minutes:.0f} minutes took"
        f" {need / 1e9:.1f} GB lately.",
        "Deliver or remove old recordings before it begins: classroomd recordings prune.",
    )


def disk_forecast(seconds_left: float | None, rest_s: float | None) -> Words | None:
    """Whether the disk lasts for the rest of the class (seconds); with an open end, one hour."""
    if seconds_left is None or seconds_left >= (3600.0 if rest_s is None else rest_s):
        return None
    return Words(
        "warning",
        "instructor",
        f"The disk is full in {max(1, int(seconds_left / 60))} minutes, before the class ends.",
        "Call the technician to free space now; the recording goes on meanwhile.",
    )


def overtime(planned_end: datetime | None, now: datetime, ends_at: datetime | None) -> Words | None:
    """The class has passed its planned end; `ends_at` is when it is ended by itself, if so."""
    if planned_end is None or now < planned_end:
        return None
    minutes = int((now - planned_end).total_seconds() / 60)
    over = "The planned time is over" + (f" by {minutes} min" if minutes else "")
    if ends_at is None:
        return Words("info", "instructor", f"{over}.", "Extend the class, or end it.")
    left = max(0, int((ends_at - now).total_seconds() / 60))
    return Words(
        "warning",
        "instructor",
        f"{over}; the class ends by itself in {left} min.",
        "Extend it to go on.",
    )


def going(when: Sequence[datetime]) -> Words | None:
    """Recordings whose media is deleted here soon; from when on each, the first one first."""
    if not when:
        return None
    what = "One recording leaves" if len(when) == 1 else f"{len(when)} recordings leave"
    return Words(
        "info",
        "admin",
        f"{what} this machine, from {when[0]:%Y-%m-%d %H:%M} UTC on: proved to be elsewhere.",
        "Hold those that are to stay, or raise keep_days.",
    )


def long_pause(paused_s: float) -> Words | None:
    """A pause that may have been forgotten."""
    if paused_s < 600:
        return None
    return Words(
        "warning",
        "instructor",
        f"Paused for {int(paused_s / 60)} minutes: nothing is saved.",
        "Press Resume to go on recording.",
    )


def speaking(sources: Iterable[str]) -> Words:
    """Someone speaks while the class is paused."""
    return Words(
        "warning",
        "instructor",
        f"You are speaking but nothing is recorded ({', '.join(sources)}).",
        "Press Resume to record.",
    )


def recorder_down(restarts: int, detail: str) -> Words:
    """The recorder died or hung and is being brought back."""
    more = f" ({detail})" if detail else ""
    if restarts > 3:
        return Words(
            "critical",
            "instructor",
            f"The recorder does not stay up{more}. It is tried again and again.",
            "Call the technician; what was recorded is safe.",
        )
    return Words(
        "warning",
        "instructor",
        "The recorder is being restarted; the same recording goes on.",
        "Nothing to do. The gap is marked in the lecture.",
    )


def recording_failed(detail: str) -> Words:
    """A recording that could not be finished by itself."""
    return Words(
        "critical",
        "technician",
        f"A recording could not be finished: {detail}",
        "Run classroomd recordings salvage on it; its tracks are kept.",
    )


def journal_trouble(detail: str) -> Words:
    """The journal is not written: a restart now would forget the newest changes."""
    return Words("critical", "technician", detail[:1].upper() + detail[1:], "Free disk space.")


def journal_damaged(kept: str) -> Words:
    """The journal could not be read at start; a new one was begun."""
    return Words(
        "warning",
        "technician",
        f"The room's journal was damaged; it is kept as {kept} and a new one was begun.",
        "Check the disk. A class that was on then is not taken up; its recording is whole.",
    )

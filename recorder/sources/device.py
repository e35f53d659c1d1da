"""A capture device: its URL, its clock, and opening it with an error that helps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import av
from av.container import InputContainer

from recorder.pick import chosen
from recorder.sources.child import SourceError

US = 1_000_000
_OPEN_S, _READ_S = 5.0, 5.0
_PLAUSIBLE_US = 2 * US
_ALSA_FOLDER = Path("/usr/share/alsa")
_OPTIONS = {
    "v4l2": {"size", "fps", "format"},
    "alsa": {"rate", "channels", "channel"},
    "pulse": {"channels", "channel"},
    "screen": {"size", "fps"},
}


@dataclass(frozen=True)
class Device:
    """A parsed capture URL: `demuxer` is FFmpeg's input device, empty for PulseAudio."""

    scheme: str
    name: str
    demuxer: str
    options: dict[str, str] = field(default_factory=dict)
    channel: tuple[int, ...] = ()

    @classmethod
    def parse(cls, url: str) -> Device:
        """Raises SourceError when the scheme or an option is not known."""
        scheme, mark, rest = url.partition("://")
        if not mark or scheme not in _OPTIONS:
            raise SourceError(f"{url}: use v4l2://, alsa://, pulse:// or screen://")
        name, _, query = rest.partition("?")
        told = dict(parse_qsl(query))
        unknown = set(told) - _OPTIONS[scheme]
        if unknown:
            known = ", ".join(sorted(_OPTIONS[scheme])) or "none"
            raise SourceError(f"{url}: option {min(unknown)} is not known (known: {known})")
        name = unquote(name)
        if not name and scheme in ("v4l2", "alsa"):
            raise SourceError(f"{url}: names no device; {REMEDY[scheme]}")
        build: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
            "v4l2": _v4l2_options,
            "alsa": _alsa_options,
            "pulse": _pulse_options,
            "screen": _screen_options,
        }
        try:
            channel = chosen(told.pop("channel", ""))
            options = build[scheme](told)
        except ValueError as error:
            raise SourceError(f"{url}: {error}") from error
        demuxer = {"screen": "x11grab", "pulse": ""}.get(scheme, scheme)
        name = name or (":0" if scheme == "screen" else "")
        return cls(scheme, name, demuxer, options, channel)


REMEDY = {
    "v4l2": "is it plugged in? `v4l2-ctl --list-devices` shows what there is",
    "alsa": "`arecord -L` shows what there is; another program may be using it",
    "pulse": "`pactl list short sources` shows what there is; parec (pulseaudio-utils) is needed",
    "screen": "is an X server running there, and may this user see it (xhost, XAUTHORITY)?",
}


def _size(value: str) -> str:
    width, _, height = value.partition("x")
    if not (width.isdigit() and height.isdigit() and 16 <= int(width) <= 8192):
        raise ValueError("size is WIDTHxHEIGHT in pixels")
    return value


def _number(name: str, value: str, low: int, high: int) -> str:
    if not value.isdigit() or not low <= int(value) <= high:
        raise ValueError(f"{name} is a number from {low} to {high}")
    return value


def _v4l2_options(told: dict[str, str]) -> dict[str, str]:
    options = {}
    if "size" in told:
        options["video_size"] = _size(told["size"])
    if "fps" in told:
        options["framerate"] = _number("fps", told["fps"], 1, 120)
    if "format" in told:
        options["input_format"] = told["format"]
    return options


def _alsa_options(told: dict[str, str]) -> dict[str, str]:
    return {
        "sample_rate": _number("rate", told.get("rate", "48000"), 8000, 192_000),
        "channels": _number("channels", told.get("channels", "2"), 1, 32),
    }


def _pulse_options(told: dict[str, str]) -> dict[str, str]:
    return {"channels": _number("channels", told.get("channels", "2"), 1, 32)}


def _screen_options(told: dict[str, str]) -> dict[str, str]:
    options = {"framerate": _number("fps", told.get("fps", "10"), 1, 60), "draw_mouse": "1"}
    if "size" in told:
        options["video_size"] = _size(told["size"])
    return options


class DeviceClock:
    """Brings a device's time stamps to CLOCK_BOOTTIME.

    V4L2 stamps with CLOCK_MONOTONIC, ALSA and X11 with the wall clock: the clock on which the
    first stamp makes sense is the one; with none it is the arrival. Offsets are taken anew for
    each stamp, because the wall clock may be set in class.
    """

    _CLOCKS = (time.CLOCK_MONOTONIC, time.CLOCK_REALTIME, time.CLOCK_BOOTTIME)

    def __init__(self) -> None:
        self._clock: int | None = None
        self._known = False

    def boottime(self, stamp: int | None, now: Callable[[int], int] | None = None) -> int:
        """The CLOCK_BOOTTIME (µs) of `stamp` (µs); `now` reads a clock (for tests)."""
        read = now or (lambda clock: time.clock_gettime_ns(clock) // 1000)
        boottime = read(time.CLOCK_BOOTTIME)
        if stamp is None:
            return boottime
        if not self._known:
            self._known = True
            near = [c for c in self._CLOCKS if abs(stamp - read(c)) < _PLAUSIBLE_US]
            self._clock = near[0] if near else None
        if self._clock is None:
            return boottime
        t = stamp - read(self._clock) + boottime
        return t if abs(t - boottime) < _PLAUSIBLE_US else boottime


def open_device(device: Device, url: str) -> InputContainer:
    """Opens a device. Raises SourceError that says what to look at."""
    if device.scheme == "alsa" and _ALSA_FOLDER.exists():
        # PyAV's own ALSA library looks for its configuration where it was built.
        ours = Path(__file__).with_name("alsa.conf")
        os.environ.setdefault("ALSA_CONFIG_DIR", str(_ALSA_FOLDER))
        os.environ.setdefault("ALSA_CONFIG_PATH", f"{_ALSA_FOLDER / 'alsa.conf'}:{ours}")
    if device.scheme == "v4l2" and not Path(device.name).exists():
        raise SourceError(f"{url}: there is no {device.name}; {REMEDY['v4l2']}")
    try:
        return av.open(
            device.name,
            format=device.demuxer,
            options=dict(device.options),
            timeout=(_OPEN_S, _READ_S),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{url}: does not open ({reason}); {REMEDY[device.scheme]}") from error

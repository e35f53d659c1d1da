"""Checks `[[triggers]]` and `[[privacy]]` against the devices and scenes of the same file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from controller.settings import RoomConfig
from devices.codec import Codec, UnknownCommand

_Loc = tuple[int | str, ...]
Wrong = tuple[_Loc, str, str]


def reactions(config: RoomConfig, codecs: Mapping[str, Codec]) -> Iterator[Wrong]:
    """(where, what is wrong, what to do); `codecs` by device, without those of profile auto."""
    devices = [device.id for device in config.devices]
    scenes = [scene.id for scene in config.scenes]
    for index, trigger in enumerate(config.triggers):
        loc: _Loc = ("triggers", index)
        if trigger.device is not None and trigger.device not in devices:
            yield _no_device((*loc, "device"), trigger.device, devices)
        elif trigger.device is not None and trigger.device in codecs:
            names = list(codecs[trigger.device].commands)
            if trigger.state not in names:
                message = f"{trigger.device} reports no {trigger.state!r}"
                yield (*loc, "state"), message, _near(trigger.state, names, "It reports: ")
        for key in ("scene", "back"):
            scene = getattr(trigger, key)
            if scene is not None and scene not in scenes:
                message = f"there is no scene {scene!r}"
                yield (*loc, key), message, _near(scene, scenes, "There is: ")
    for index, privacy in enumerate(config.privacy):
        loc = ("privacy", index)
        if privacy.camera not in devices:
            yield _no_device((*loc, "camera"), privacy.camera, devices)
        elif privacy.camera in codecs:
            for key in ("idle", "ready"):
                yield from _place((*loc, key), getattr(privacy, key), codecs[privacy.camera])


def _place(loc: _Loc, place: int | str | None, codec: Codec) -> Iterator[Wrong]:
    try:
        if place == "home":
            codec.set("home")
        elif place is not None:
            codec.set("preset_recall", place)
    except UnknownCommand:
        word = "home position" if place == "home" else "presets"
        yield loc, f"this camera has no {word}", "Give it a preset's number, or home."
    except ValueError as error:
        yield loc, str(error).rstrip("."), "Correct the number."


def _no_device(loc: _Loc, device: str, devices: list[str]) -> Wrong:
    return loc, f"there is no device {device!r}", _near(device, devices, "There is: ")


def _near(word: str, known: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{otherwise}{', '.join(known) or 'none'}."

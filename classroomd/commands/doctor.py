"""`classroomd doctor`: what this machine has, what was tried, what was chosen, and why."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from classroomd.commands import config as config_command
from classroomd.output import err, out, show_json, show_table
from controller import broker
from controller.settings import RoomConfig
from streaming import conference, talk
from streaming.push import PushSpec

_SIGNS = {"ok": "ok", "missing": "missing", "bad": "BAD"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `remedy` says what to do, "" for nothing."""

    what: str
    state: Literal["ok", "missing", "bad"]
    detail: str
    remedy: str = ""


def doctor(
    config_file: Annotated[
        Path | None, typer.Option("--config", "-c", help="Look at this room's folders too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Look at this machine: programs, encoders, clock, disk."""
    folder = Path.cwd()
    pushed: list[PushSpec] = []
    config = None
    if config_file:
        config = config_command.load(config_file, as_json=as_json)
        folder, pushed = config.storage.recordings, config.streaming.push
    with err.status("trying encoders…"):
        found = [_python(), *_programs(), *_encoders(), _clock(), _disk(folder)]
        found += [broker_finding(config), _webrtc(), *_conferences(pushed), *_talk(config)]
    if as_json:
        show_json([vars(finding) for finding in found])
    else:
        show_table(
            "This machine",
            ("what", "", "found", "what to do"),
            [(f.what, _SIGNS[f.state], f.detail, f.remedy) for f in found],
        )
    if any(finding.state == "bad" for finding in found):
        out.print("Mend what is BAD before a class.") if not as_json else None
        raise typer.Exit(1)


def _python() -> Finding:
    return Finding("Python", "ok", f"{sys.version.split()[0]} on {os.cpu_count()} processors")


def _programs() -> list[Finding]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    wanted = {
        "ffmpeg": "SRT sources, VAAPI encoding; apt-get install ffmpeg",
    }
    found = []
    for name, use in wanted.items():
        where = shutil.which(name, path=path)
        found.append(
            Finding(name, "ok", where) if where else Finding(name, "missing", "", f"for {use}")
        )
    return found


def _encoders() -> list[Finding]:
    from recorder import encoders
    from recorder.engines import decoders, spaces

    found = []
    for name in encoders.HARDWARE:
        if (lacking := encoders.missing(name)) is not None:
            found.append(Finding(name, "missing", lacking))
            continue
        works, said = encoders.works(name), encoders.verdict(name)
        where = f"tried on {encoders.device(name)}: {said}"
        found.append(
            Finding(name, "ok", where)
            if works
            else Finding(name, "missing", where, "look at its driver")
        )
    works = encoders.works(encoders.SOFTWARE)
    found.append(
        Finding(encoders.SOFTWARE, "ok", "encoded a second of picture truly")
        if works
        else Finding(encoders.SOFTWARE, "bad", "cannot encode", "install classroomd anew")
    )
    chosen = encoders.choose()
    why = (
        "no hardware encoder works here" if chosen == encoders.SOFTWARE else "the first that works"
    )
    found.append(Finding("encoder for lectures", "ok", f"{chosen} was chosen: {why}"))
    for name, node in decoders.DEVICES.items():
        if not Path(node).exists():
            found.append(Finding(f"{name} decoding", "missing", f"no {node}"))
        elif decoders.works(name):
            found.append(Finding(f"{name} decoding", "ok", "decoded a second of picture truly"))
        else:
            detail = "did not decode a second of picture as software does"
            found.append(Finding(f"{name} decoding", "missing", detail, "look at its driver"))
    where = decoders.choose() or "software"
    found.append(Finding("decoder for lectures", "ok", f"{where} was chosen"))
    for name in spaces.SPACES:
        if (lacking := spaces.missing(name)) is not None:
            found.append(Finding(f"{name} composing", "missing", lacking))
        elif spaces.works(name):
            found.append(Finding(f"{name} composing", "ok", "composed a second of picture truly"))
        else:
            detail = "did not compose a second of picture as memory does"
            found.append(Finding(f"{name} composing", "missing", detail, "look at its driver"))
    space = spaces.choose()
    found.append(
        Finding("lectures are composed", "ok", "in memory" if space is None else f"by {space.name}")
    )
    return found


def _clock() -> Finding:
    if not shutil.which("timedatectl"):
        return Finding("clock", "missing", "not known whether it is synchronised")
    said = subprocess.run(
        ["timedatectl", "show", "--property=NTPSynchronized", "--value"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if said == "yes":
        return Finding("clock", "ok", "synchronised")
    return Finding(
        "clock", "missing", "not synchronised", "set up NTP: a lecture's date depends on it"
    )


def broker_finding(config: RoomConfig | None) -> Finding:
    """The MQTT broker: bad only where this room cannot do without it."""
    what, mode = "MQTT broker", config.mqtt.mode if config else "auto"
    if config and mode == "external":
        return Finding(what, "ok", f"the one at {config.mqtt.host}:{config.mqtt.port}")
    if mode == "off":
        return Finding(what, "ok", "none is wanted")
    lacks = broker.lacking()
    if lacks is None:
        return Finding(what, "ok", "the room's own, with a login for each tablet")
    on_it = config is not None and any(d.transport.startswith("mqtt:") for d in config.devices)
    if on_it or mode == "managed":
        return Finding(what, "bad", lacks.text, lacks.remedy)
    without = f"{lacks.text}: no MQTT devices, tablets by their page only"
    return Finding(what, "missing", without, lacks.remedy)


def _webrtc() -> Finding:
    if importlib.util.find_spec("aiortc") is not None:
        return Finding("shared screens", "ok", "aiortc is installed")
    return Finding("shared screens", "missing", "no aiortc", "install classroomd[webrtc]")


def _conferences(pushed: Sequence[PushSpec]) -> list[Finding]:
    """The virtual cameras and microphones that this room wants."""
    found = []
    for spec in pushed:
        if spec.url.startswith(f"{conference.SCHEME}:"):
            missing = "; ".join(conference.problems(spec.url))
            state: Literal["ok", "bad"] = "bad" if missing else "ok"
            found.append(Finding(f"push {spec.id}", state, spec.url, missing))
    return found


def _talk(config: RoomConfig | None) -> list[Finding]:
    """What a voice from elsewhere needs, where this room lets it in."""
    if config is None or not config.streaming.talk.enabled:
        return []
    output = config.streaming.talk.output
    missing = "; ".join(talk.problems(True, output))
    return [Finding("talk-back", "bad" if missing else "ok", output or "recorded only", missing)]


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    detail = f"{free:.0f} GB free at {folder}"
    if free < 5:
        return Finding("disk", "bad", detail, "make room: a class takes 2 to 6 GB an hour")
    return Finding("disk", "ok", detail)

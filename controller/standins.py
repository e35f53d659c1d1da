"""Devices that are played by their simulators for a trial, in place of the real ones.

The simulator is made from the device's own profile and sits on a wire of this machine, or in memory
where the wire would be a broker that the real one listens to as well; everything above is the real
thing. Which devices are played is kept in the state folder and holds until it is taken back; each
is named as what it is, on every page and in an alarm.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog

from controller.config import SecretError, resolve_secret
from controller.health import Words
from controller.streams import camera_of
from devices.auto import AUTO, Memory
from devices.manager import check_spec
from devices.model import DeviceSpec
from devices.transports.link import Link
from firmware_profiles.catalog import Catalog
from recorder.recording import SourceSpec

_log = structlog.get_logger(__name__)

MARK = "(simulator)"
_SERIAL = ("serial", "socket", "rfc2217")
_UNSEEN = {
    "http": "onvif/ptz",
    "onvif": "onvif/ptz",
    "udp": "visca/sony-ip",
    "osc": "behringer/x32",
}
"""What stands in for a device of profile "auto" that nobody has ever asked; else any projector."""
_PICTURES = {"slides": "test:slides", "microphone": "test:speech"}


class StandIns:
    """The list of devices that are played, and their simulators while the daemon runs."""

    def __init__(self, state: Path) -> None:
        self._file = state / "standins.json"
        self._ports: list[Any] = []
        self.links: dict[str, Link] = {}
        """Links to the played devices that are in memory, by their ids."""
        self.played: set[str] = set()
        """The devices that `replace` put a simulator in place of."""

    def names(self) -> list[str]:
        """The devices that are to be played by their simulators. Reads the disk."""
        try:
            found = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def put(self, device: str, on: bool) -> list[str]:
        """Play a device, or no longer; the daemon takes it up when it begins anew."""
        names = sorted((set(self.names()) | {device}) - (set() if on else {device}))
        self._file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(names), "utf-8")
        part.replace(self._file)
        return names

    async def replace(
        self,
        specs: Sequence[DeviceSpec],
        catalog: Catalog,
        folder: Path,
        memory: Path | None = None,
    ) -> list[DeviceSpec]:
        """The specs with the played devices on wires of this machine (serial ones in `folder`) or
        in `links`. `memory`: the file that says what devices of profile "auto" are.

        One that cannot be played stays the real one, with a line in the log.
        """
        names = set(await asyncio.to_thread(self.names))
        known = Memory(memory)
        made: list[DeviceSpec] = []
        self.played.clear()
        for spec in specs:
            if spec.id in names:
                try:
                    told = await asyncio.to_thread(_recognised, spec, known)
                    made.append(await self._play(told, catalog, folder))
                    self.played.add(spec.id)
                    continue
                except (ValueError, OSError, SecretError) as error:
                    _log.warning("no_simulator", device=spec.id, error=str(error))
            made.append(spec)
        return made

    async def stop(self) -> None:
        """End the simulators."""
        for port in self._ports:
            await port.stop()
        self._ports.clear()

    def sources(self, sources: Sequence[SourceSpec]) -> list[SourceSpec]:
        """The sources, where a played camera was to say its address with a test picture."""
        return [
            source.model_copy(
                update={"url": _PICTURES.get(source.role, "test:presenter"), "sub": None}
            )
            if camera_of(source.url) in self.played
            else source
            for source in sources
        ]

    async def _play(self, spec: DeviceSpec, catalog: Catalog, folder: Path) -> DeviceSpec:
        from devices.memory import MemoryLink  # only a trial needs these
        from devices.simulator import make_device, make_port

        profile = check_spec(spec, catalog)
        options = {
            name: resolve_secret(value)
            if isinstance(value, str) and value.startswith(("env:", "file:"))
            else value
            for name, value in spec.options.items()
        }
        scheme, _, rest = spec.transport.partition("://")
        known = set(profile.options) | {"username", "password", "pin"}
        # A device that nobody gave a password here has none, whatever the factory sets.
        own: dict[str, Any] = {}
        own |= {name: "" for name in ("password", "pin") if name in profile.simulator.options}
        own |= {name: value for name, value in options.items() if name in known}
        if scheme == "mqtt" and "topic" in profile.options and rest:
            own["topic"] = unquote(rest).strip("/")
        device = make_device(profile, own)
        if "stream_uri" in device.values:
            device.preset("stream_uri", "none")  # nothing streams from here: see `sources`
        where = spec.transport
        if scheme == "mqtt":
            session = profile.session_for("mqtt")
            self.links[spec.id] = MemoryLink(device, session, datagram=True)
        elif scheme in _SERIAL:
            await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
            where = await self._open(make_port(device, pty=str(folder / f"{spec.id}.tty")))
            if scheme == "serial" and (query := rest.partition("?")[2]):
                where = f"{where}?{query}"
        elif scheme in {"tcp", "udp", "osc", "http", "onvif"}:
            port = make_port(device, port=0, udp=scheme in {"udp", "osc"})
            where = await self._open(port)
        else:
            raise ValueError(f"nothing plays a device on {scheme}://")
        # Without its hardware address the real one isn't woken.
        kept = {k: v for k, v in spec.options.items() if k not in {"mac", "broadcast"}}
        name = f"{spec.name or spec.id} {MARK}"
        return spec.model_copy(update={"transport": where, "name": name, "options": kept})

    async def _open(self, port: Any) -> str:
        address = str(await port.start())
        self._ports.append(port)
        return address


def _recognised(spec: DeviceSpec, memory: Memory) -> DeviceSpec:
    """A device of profile "auto" as what it was when it was asked last."""
    if spec.profile != AUTO:
        return spec
    known = memory.recall(spec)
    scheme = spec.transport.partition("://")[0]
    fallback = "samsung/mdc" if scheme in _SERIAL else _UNSEEN.get(scheme, "pjlink/class1")
    return spec.model_copy(update={"profile": known.profile if known else fallback})


def played(spec: DeviceSpec) -> Words:
    """The alarm that stands while a device is played."""
    return Words(
        "warning",
        "technician",
        f"{spec.name} stands in for the real device, which is not touched.",
        "Take the real one back on the console before class.",
    )

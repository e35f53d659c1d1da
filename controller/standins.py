"""Devices that are played by their simulators for a trial, in place of the real ones.

The simulator is made from the device's own profile and sits on a wire of this machine; everything
above the wire is the real thing. Which devices are played is kept in the state folder and holds
until it is taken back; each is named as what it is, on every page and in an alarm.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from controller.config import SecretError, resolve_secret
from controller.health import Words
from devices.model import DeviceSpec
from firmware_profiles.catalog import Catalog, UnknownProfile
from firmware_profiles.loader import ProfileError

_log = structlog.get_logger(__name__)

MARK = "(simulator)"


class StandIns:
    """The list of devices that are played, and their simulators while the daemon runs."""

    def __init__(self, state: Path) -> None:
        self._file = state / "standins.json"
        self._ports: list[Any] = []

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
        self, specs: Sequence[DeviceSpec], catalog: Catalog, folder: Path
    ) -> list[DeviceSpec]:
        """The specs with the played devices on wires of this machine (serial ones in `folder`).

        One that cannot be played stays the real one, with a line in the log.
        """
        names = set(self.names())
        made: list[DeviceSpec] = []
        for spec in specs:
            if spec.id in names:
                try:
                    made.append(await self._play(spec, catalog, folder))
                    continue
                except (ValueError, OSError, SecretError, UnknownProfile, ProfileError) as error:
                    _log.warning("no_simulator", device=spec.id, error=str(error))
            made.append(spec)
        return made

    async def stop(self) -> None:
        """End the simulators."""
        for port in self._ports:
            await port.stop()
        self._ports.clear()

    async def _play(self, spec: DeviceSpec, catalog: Catalog, folder: Path) -> DeviceSpec:
        from devices.simulator import make_device, make_port  # only a trial needs it

        options = {
            name: resolve_secret(value)
            if isinstance(value, str) and value.startswith(("env:", "file:"))
            else value
            for name, value in spec.options.items()
        }
        scheme, _, rest = spec.transport.partition("://")
        profile = catalog.get(spec.profile)
        known = set(profile.options) | {"username", "password", "pin"}
        device = make_device(profile, {k: v for k, v in options.items() if k in known})
        if scheme == "serial":
            await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
            port = make_port(device, pty=str(folder / f"{spec.id}.tty"))
            query = rest.partition("?")[2]
        elif scheme in {"tcp", "udp", "osc", "http"}:
            port = make_port(device, port=0, udp=scheme in {"udp", "osc"})
            query = ""
        else:
            raise ValueError(f"nothing plays a device on {scheme}://")
        address = await port.start()
        self._ports.append(port)
        where = address if "://" in address else f"{scheme}://{address}"
        if query and "?" not in where:
            where = f"{where}?{query}"
        name = f"{spec.name or spec.id} {MARK}"
        return spec.model_copy(update={"transport": where, "name": name})


def played(spec: DeviceSpec) -> Words:
    """The alarm that stands while a device is played."""
    return Words(
        "warning",
        "technician",
        f"{spec.name} stands in for the real device, which is not touched.",
        "Take the real one back on the console before class.",
    )

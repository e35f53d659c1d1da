"""What is at one address: asks in every protocol that could be spoken there, safely.

Only queries are sent (`identify`), never a command that changes something. The best answer wins: a
reading before a refusal in the right form, a vendor's own protocol before a general one, and a
family's variant before the family when it answers what only the variant knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from devices.codec import Codec
from devices.discovery.identify import Identity, candidates, identify
from devices.discovery.portprobe import greeting, is_open
from devices.sessions import step_bytes
from firmware_profiles.catalog import Catalog
from firmware_profiles.loader import ProfileError
from firmware_profiles.schema import Profile

GENERAL = ("pjlink/", "onvif/", "visca/", "pelco/")
WAYS = {
    "serial": "serial", "socket": "serial", "rfc2217": "serial", "tcp": "tcp",
    "udp": "udp", "osc": "osc", "http": "http", "onvif": "http",
}  # fmt: skip


@dataclass(frozen=True)
class Recognised:
    """A profile that fits, and the transport to speak it over."""

    profile: str
    transport: str
    model: str = ""
    firmware: str = ""


class NotRecognisedError(Exception):
    """Nothing at the address answered in a way that is known; the message says what was tried."""


async def recognise(
    transport: str,
    catalog: Catalog,
    *,
    options: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Recognised:
    """Find out what is at `transport`. `options` hold the device's id, user and resolved secrets;
    `tell` hears each attempt. Raises NotRecognisedError."""
    scheme = urlsplit(transport).scheme
    way = WAYS.get(scheme)
    if way is None:
        raise NotRecognisedError(f"{transport}: nothing can be asked there")
    found: list[tuple[int, Identity, str]] = []
    hints: list[str] = []
    tried = 0
    for address, profile in await _attempts(transport, way, catalog):
        tried += 1
        identity = await identify(address, profile, options=_fitting(profile, options or {}))
        if identity.hint:
            hints.append(f"{profile.name}: {identity.hint}")
        if identity.answered:
            tell(f"answers {profile.name}")
            rank = (0 if identity.values else 2) + profile.name.startswith(GENERAL)
            found.append((rank, identity, address))
            if rank == 0:
                break
        else:
            tell(f"doesn't answer {profile.name}")
    if not found:
        more = f" ({hints[0]})" if hints else ""
        raise NotRecognisedError(
            f"none of {tried} protocols was answered{more}"
            if tried
            else "no port of a known protocol is open"
        )
    _, best, address = min(found, key=lambda entry: entry[0])
    best = await _variant(best, address, way, catalog, options or {})
    return Recognised(best.profile, address, best.model, best.firmware)


async def _attempts(transport: str, way: str, catalog: Catalog) -> list[tuple[str, Profile]]:
    """(address, profile) in the order to try; variants come after their family, if at all."""
    profiles = [profile async for profile in candidates(catalog, [], way)]
    families = [p for p in profiles if p.extends is None or not _same_wire(p, catalog, way)]
    parts = urlsplit(transport)
    if way == "serial":
        return [(_serial(transport, profile), profile) for profile in families]
    if parts.port is not None:
        usual = [p for p in families if getattr(p.transports, way).port == parts.port]
        if not usual and way == "tcp":
            banner = await greeting(parts.hostname or "", parts.port)
            usual = [p for p in families if banner and (mark := _mark(p)) and mark in banner]
            usual = usual or [p for p in families if bool(_mark(p)) == bool(banner)]
        return [(transport, profile) for profile in usual or families]
    if way != "tcp":
        return [(transport, profile) for profile in families]
    ports = sorted({p.transports.tcp.port for p in families if p.transports.tcp is not None})
    opened = await asyncio.gather(*(is_open(parts.hostname or "", port) for port in ports))
    there = {port for port, works in zip(ports, opened, strict=True) if works}
    return [
        (f"{transport.rstrip('/')}:{p.transports.tcp.port}", p)
        for p in sorted(families, key=lambda p: p.name.startswith(GENERAL))
        if p.transports.tcp is not None and p.transports.tcp.port in there
    ]


def _mark(profile: Profile) -> bytes:
    """What a device of this family says first when one connects, empty when it waits."""
    session = profile.session_for("tcp")
    marks = {"pjlink": "PJLINK", "ntcontrol": "NTCONTROL", "mdc-tls": "MDCSTART", "adcp": "NOKEY"}
    first = session.steps[0].expect if session.steps else None
    return step_bytes(marks.get(session.kind) or first or "", {})


def _same_wire(profile: Profile, catalog: Catalog, way: str) -> bool:
    """Is this a variant that answers what its family is asked?"""
    with suppress(KeyError, ProfileError):
        family = catalog.get(profile.extends or "")
        ours, theirs = getattr(profile.transports, way), getattr(family.transports, way)
        return bool(ours == theirs and profile.session == family.session)
    return False


def _serial(transport: str, profile: Profile) -> str:
    settings = profile.transports.serial
    if settings is None or not transport.startswith("serial:") or "?" in transport:
        return transport
    return f"{transport}?baud={settings.baud}&format={settings.format}"


def _fitting(profile: Profile, options: Mapping[str, Any]) -> dict[str, Any]:
    general = {"username", "password", "pin"}
    return {k: v for k, v in options.items() if k in profile.options or k in general}


async def _variant(
    found: Identity, address: str, way: str, catalog: Catalog, options: Mapping[str, Any]
) -> Identity:
    """The variant of the family that answers something which only it knows."""
    family = catalog.get(found.profile)
    for name in catalog.names():
        with suppress(ProfileError, KeyError):
            profile = catalog.get(name)
            if profile.extends != family.name or not _same_wire(profile, catalog, way):
                continue
            codec = Codec(profile, {})
            own = [n for n, c in codec.commands.items() if c.getter and n not in family.commands][
                :1
            ]
            if own:
                more = await identify(address, profile, options=_fitting(profile, options), ask=own)
                if more.knows:
                    more.model, more.firmware = found.model, found.firmware
                    return more
    return found

"""docs/devices.md: which families there are, how they are reached, what they can, and how sure it
is. Made from the catalogue by `classroomd profiles table`; a test keeps the file as the catalogue
is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from firmware_profiles.catalog import Catalog
from firmware_profiles.compiled import compiled
from firmware_profiles.schema import Profile

KINDS = {
    "display": "Displays", "panel": "Interactive panels", "projector": "Projectors",
    "led-wall": "LED walls", "camera": "Cameras", "audio": "Mixers and audio processors",
    "microphone": "Microphones", "switcher": "Switchers", "screen": "Screens",
    "light": "Lights", "relay": "Relays and contacts", "sensor": "Sensors", "media": "Media",
}  # fmt: skip
_ORDER = ("power", "input", "volume", "mute", "blank", "freeze", "pan-tilt-zoom", "preset")
_WAYS = {"http": "HTTP", "tcp": "TCP", "udp": "UDP", "osc": "OSC", "mqtt": "MQTT"}
_SURE = {"verified": 0, "recomputed": 1, "unverified": 2}

HEAD = """# Devices

Made by `classroomd profiles table`; do not edit. {families} families in {profiles} profiles,
{models} named models, {goldens} exchanges held against their sources byte for byte: {verified}
copied from a document or an independent implementation, {recomputed} composed by its rule.

*Evidence*, with the number of exchanges: **verified**: copied from the vendor's document or written
out in an independent implementation; **recomputed**: the documented rule was applied;
**unverified**: from memory or by likeness, to be tried on the device. *Reads back*: how many of the
settings can be read from the device, so that what someone does at the device is seen.

What no public byte table was found for (Promethean ActivPanel, Newline) is left out. A device that
isn't here: [add a device](add-a-device.md).
"""


def profiles_of(catalog: Catalog) -> list[Profile]:
    """Every profile that can be used. Raises ProfileError."""
    return [catalog.get(name) for name in catalog.names()]


def family_of(profile: Profile) -> str:
    """The family that a profile belongs to: what it extends, or itself."""
    return profile.extends or profile.name


def document(catalog: Catalog) -> str:
    """The whole of docs/devices.md."""
    profiles = profiles_of(catalog)
    goldens = [(e.status, len(e.golden)) for p in profiles for e in p.evidence]
    lines = [
        HEAD.format(
            families=len({family_of(p) for p in profiles}),
            profiles=len(profiles),
            models=len({model for p in profiles for model in p.models}),
            goldens=sum(count for _, count in goldens),
            verified=sum(count for status, count in goldens if status == "verified"),
            recomputed=sum(count for status, count in goldens if status == "recomputed"),
        )
    ]
    for kind, title in KINDS.items():
        if found := [p for p in profiles if p.kind == kind]:
            lines += [f"## {title}\n", *_table(found), ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(profiles: Iterable[Profile]) -> Iterator[str]:
    yield "| profile | devices | ways | can | reads back | evidence |"
    yield "|---|---|---|---|---|---|"
    for profile in profiles:
        cells = (
            f"`{profile.name}`",
            _devices(profile),
            ", ".join(ways(profile)),
            ", ".join(capabilities(profile)) or "–",
            _reads(profile),
            evidence(profile),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _devices(profile: Profile) -> str:
    models = f": {', '.join(profile.models)}" if profile.models else ""
    return f"{profile.title}{models}"


def ways(profile: Profile) -> list[str]:
    """How it is reached, with what the room's file needs least: port or speed."""
    found = []
    for way in profile.transports.ways():
        table = getattr(profile.transports, way)
        if way == "serial":
            found.append(f"serial {table.baud} {table.format}")
        elif way == "mqtt":
            found.append("MQTT")
        else:
            found.append(f"{_WAYS[way]} {table.port}")
    if profile.power.wake == "wol":
        found.append("wakes by LAN")
    return found


def capabilities(profile: Profile) -> list[str]:
    """What can be set or done, the usual ones first."""
    found = {c.capability for c in compiled(profile).commands.values() if c.setter is not None}
    return [c for c in _ORDER if c in found] + sorted(found - set(_ORDER))


def _reads(profile: Profile) -> str:
    commands = compiled(profile).commands.values()
    settable = [c for c in commands if c.setter is not None and c.kind != "action"]
    read = [c for c in commands if c.getter is not None or c.notices or c.reports]
    if not read:
        return "nothing"
    both = [c for c in settable if c in read]
    return "all" if len(both) == len(settable) else f"{len(both)} of {len(settable)}"


def evidence(profile: Profile) -> str:
    """The statuses that occur, the surest first, with the number of exchanges."""
    counts: dict[str, int] = {}
    for one in profile.evidence:
        counts[one.status] = counts.get(one.status, 0) + len(one.golden)
    return ", ".join(
        f"{status} {counts[status]}" if counts[status] else status
        for status in sorted(counts, key=lambda status: _SURE[status])
    )

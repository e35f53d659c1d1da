"""Asks what is at an address: only queries of a profile, never a command that changes something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from devices.clock import Clock
from devices.codec import Codec
from devices.conversation import Conversation, Interrupted, NoAnswer
from devices.model import Value
from devices.sessions import SessionError
from devices.traffic import TrafficLog
from devices.transports.link import LinkError
from devices.transports.open import open_link, parse_address
from firmware_profiles.catalog import Catalog
from firmware_profiles.loader import ProfileError
from firmware_profiles.schema import Profile

ANSWER_S = 0.8
OPEN_S = 6.0


@dataclass
class Identity:
    """What a device said. `answered`: it spoke the profile's protocol; `knows`: and didn't call
    a query unknown; `hint`: why it said nothing, in its own way (a password, perhaps)."""

    profile: str
    answered: bool = False
    knows: bool = False
    hint: str = ""
    model: str = ""
    firmware: str = ""
    values: dict[str, Value] = field(default_factory=dict)


def queries(codec: Codec) -> list[str]:
    """The safe questions: who are you, and are you on."""
    identity = codec.profile.identity
    names = (identity.model, identity.firmware, "power")
    readable = [n for n in names if n is not None and _askable(codec, n)]
    if readable:
        return readable
    return [n for n, c in codec.commands.items() if c.getter is not None and not c.spec.params][:1]


def _askable(codec: Codec, name: str) -> bool:
    command = codec.commands.get(name)
    return command is not None and command.getter is not None


async def identify(
    transport: str,
    profile: Profile,
    *,
    options: Mapping[str, Any] | None = None,
    ask: Sequence[str] | None = None,
) -> Identity:
    """Ask the device at `transport` in the profile's protocol; never raises for what is there.

    `options` as a driver has them, secrets resolved; `ask` names queries other than the usual.
    """
    found = Identity(profile.name)
    codec = Codec(profile, {k: v for k, v in (options or {}).items() if k in profile.options})
    address = parse_address(transport, profile)
    session = profile.session_for(address.way)
    conversation = Conversation(
        open_link(address, profile, codec.options, None),
        codec,
        session,
        {**codec.options, **(options or {})},
        clock=Clock(),
        traffic=TrafficLog(20),
        heard=lambda meaning: None,
        lost=lambda why: None,
    )
    try:
        async with asyncio.timeout(OPEN_S):
            await conversation.open()
        for name in ask if ask is not None else queries(codec):
            request = codec.get(name)
            try:
                meaning = await conversation.ask(request, timeout=ANSWER_S, sent=lambda: None)
            except NoAnswer:
                if not found.answered:
                    break
                continue
            found.answered = True
            found.knows = found.knows or meaning.error_class != "undefined"
            found.values.update(meaning.states)
    except SessionError as error:
        found.hint = f"{error} ({error.remedy})" if error.remedy else str(error)
    except (LinkError, Interrupted, TimeoutError, ValueError):
        pass
    finally:
        await conversation.close()
    found.model = str(found.values.get(profile.identity.model or "", "") or "")
    found.firmware = str(found.values.get(profile.identity.firmware or "", "") or "")
    return found


async def candidates(catalog: Catalog, names: list[str], way: str) -> AsyncIterator[Profile]:
    """Profiles that can be asked over `way`, in the order of `names` or of the catalogue."""
    for name in names or catalog.names():
        with suppress(ProfileError, KeyError):
            profile = catalog.get(name)
            table = getattr(profile.transports, way)
            if table is not None and queries(Codec(profile, {})):
                yield profile
        await asyncio.sleep(0)

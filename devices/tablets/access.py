"""Who may do what at the broker: a login per tablet, by Mosquitto's dynamic security plugin.

Topics are granted literally, per tablet: a tablet writes its own `up` and `presence` and hears its
own `down` and what the class hears; a wildcard brings it nothing more. A login is bound to its
client id, so that nobody takes another's connection over. Commands go to
`$CONTROL/dynamic-security/v1` (mosquitto-dynamic-security, Mosquitto 2.0).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Protocol

CONTROL = "$CONTROL/dynamic-security/v1"
ANSWERS = f"{CONTROL}/response"
TRIES = 10
ANSWER_S = 1.0
CLASS_TOPICS = ("log", "now", "page")


class Publisher(Protocol):
    """The part of an MQTT connection that this needs; it may administer the broker."""

    async def publish(
        self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False
    ) -> None: ...

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], None]
    ) -> Callable[[], None]: ...


def topics(room: str, tablet: str) -> dict[str, str]:
    """The topics of one tablet: up, down, presence."""
    return {
        each: f"classroom/{room}/tablets/{tablet}/{each}" for each in ("up", "down", "presence")
    }


def no_logins() -> dict[str, Any]:
    """The plugin's first file: nobody is let in by it, and what is not granted is denied.

    The broker's other logins, the daemon's among them, stand in its password file.
    """
    defaults = {
        "publishClientSend": False,
        "publishClientReceive": False,
        "subscribe": False,
        "unsubscribe": True,
    }
    return {"defaultACLAccess": defaults, "clients": [], "groups": [], "roles": []}


class BrokerAccess:
    """Gives and takes tablets' logins at the broker. The login's name is the tablet's id."""

    def __init__(self, publisher: Publisher, room: str) -> None:
        self._publisher, self._room = publisher, room

    async def grant(self, tablet: str, credential: str) -> None:
        """Lets `tablet` in with `credential` as its password; an older login is replaced."""
        own = topics(self._room, tablet)
        heard = [own["down"], *(f"classroom/{self._room}/class/{each}" for each in CLASS_TOPICS)]
        acls = [
            *(_allow("publishClientSend", own[each]) for each in ("up", "presence")),
            *(_allow("subscribeLiteral", topic) for topic in heard),
            *(_allow("publishClientReceive", topic) for topic in heard),
        ]
        await self._command(
            {"command": "deleteClient", "username": tablet},
            {"command": "deleteRole", "rolename": _role(tablet)},
            {"command": "createRole", "rolename": _role(tablet), "acls": acls},
            {
                "command": "createClient",
                "username": tablet,
                "password": credential,
                "clientid": tablet,
                "roles": [{"rolename": _role(tablet)}],
            },
        )

    async def withdraw(self, *tablets: str) -> None:
        """Takes logins back; a connection that stands is ended."""
        for tablet in tablets:
            await self._command(
                {"command": "deleteClient", "username": tablet},
                {"command": "deleteRole", "rolename": _role(tablet)},
            )

    async def suspend(self, tablet: str) -> None:
        """Ends the connection and refuses new ones until `readmit`."""
        await self._command({"command": "disableClient", "username": tablet})

    async def readmit(self, tablet: str) -> None:
        """Ends a suspension."""
        await self._command({"command": "enableClient", "username": tablet})

    async def logins(self) -> dict[str, bool] | None:
        """The logins that the broker has, and whether each may come in; None: it does not say."""
        asked = secrets.token_hex(8)
        told: asyncio.Future[dict[str, bool]] = asyncio.get_running_loop().create_future()

        def hear(_: str, payload: bytes) -> None:
            with suppress(ValueError, KeyError, TypeError):
                for answer in json.loads(payload)["responses"]:
                    if answer.get("correlationData") == asked and not told.done():
                        listed = answer["data"]["clients"]
                        told.set_result(
                            {one["username"]: not one.get("disabled", False) for one in listed}
                        )

        end = self._publisher.subscribe(ANSWERS, hear)
        question = {"command": "listClients", "verbose": True, "correlationData": asked}
        try:
            for _ in range(TRIES):
                await self._command(question)
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        return await asyncio.shield(told)
            return None
        finally:
            end()

    async def settle(
        self, valid: Callable[[], Collection[str]], suspended: Callable[[], Collection[str]]
    ) -> None:
        """Takes back what was revoked while the broker was away, and ends old suspensions.

        Both are asked after the broker has answered: a tablet may be paired meanwhile.
        """
        for login, may_enter in (await self.logins() or {}).items():
            if login not in valid():
                await self.withdraw(login)
            elif not may_enter and login not in suspended():
                await self.readmit(login)

    async def _command(self, *commands: dict[str, Any]) -> None:
        await self._publisher.publish(CONTROL, json.dumps({"commands": commands}), qos=1)


def _allow(acl: str, topic: str) -> dict[str, Any]:
    return {"acltype": acl, "topic": topic, "allow": True}


def _role(tablet: str) -> str:
    return f"tablet-{tablet}"

"""The room's tablets, as routes ask for them, and who a tablet's request comes from."""

from __future__ import annotations

import contextlib
from typing import Annotated, cast

from fastapi import Depends, Response
from starlette.requests import HTTPConnection

from controller.tablets import Tablets
from dashboard.auth import authenticator, declares, guard_write
from dashboard.problems import ProblemError
from devices.tablets.pairing import Paired, PairingError, Tablet
from devices.tablets.room import TabletRoom

COOKIE = "classroomd_tablet"
COOKIE_S = 400 * 24 * 3600


def service(connection: HTTPConnection) -> Tablets:
    """The app's tablets. Raises ProblemError when the room runs without."""
    found = getattr(connection.app.state, "tablets", None)
    if found is None:
        raise ProblemError(404, "no_tablets", "This room runs without tablets.", "")
    return cast(Tablets, found)


def room(connection: HTTPConnection) -> TabletRoom:
    """The connected tablets and the lesson."""
    return service(connection).room


Service = Annotated[Tablets, Depends(service)]
Room = Annotated[TabletRoom, Depends(room)]


def keep_cookie(connection: HTTPConnection, response: Response, paired: Paired) -> None:
    """Makes this browser the tablet; a student's own device forgets it when it closes."""
    response.set_cookie(
        COOKIE,
        paired.credential,
        None if paired.tablet.session else COOKIE_S,
        httponly=True,
        samesite="strict",
        secure=connection.url.scheme in {"https", "wss"},
        path="/",
    )


def given_credential(connection: HTTPConnection) -> str | None:
    """The credential in a native app's header or a page's cookie."""
    header = connection.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return connection.cookies.get(COOKIE)


def tablet_of(connection: HTTPConnection) -> Tablet:
    """The tablet that is asking. Raises ProblemError 401."""
    credential = given_credential(connection)
    if credential is None:
        raise ProblemError(401, "not_paired", "This device is not paired.", "Pair it with a code.")
    try:
        return room(connection).pairing.authenticate(credential)
    except PairingError as error:
        raise ProblemError(401, error.code, str(error), "Pair it with a code.") from error


@declares("tablet")
async def _tablet(connection: HTTPConnection) -> Tablet:
    guard_write(connection)
    return tablet_of(connection)


@declares("tablet")
async def _reader(connection: HTTPConnection) -> None:
    guard_write(connection)
    identity = None
    with contextlib.suppress(ProblemError):
        identity = authenticator(connection).identify(connection)
    if identity is None:
        tablet_of(connection)


Own = Annotated[Tablet, Depends(_tablet)]
"""The paired tablet that asks, by its own credential."""

Reader = Annotated[None, Depends(_reader)]
"""Lets in a paired tablet, or someone who has signed in."""

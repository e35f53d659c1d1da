"""Signing in and out, and what a page may show before anyone has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, model_validator

from controller.state import AccessRole, SessionState, SessionView
from dashboard.auth import Identity, anyone, authenticator
from dashboard.room import Room, Student

router = APIRouter(tags=["login"])


class Login(BaseModel):
    """Either a `pin`, or a `name` with its `password`."""

    pin: str | None = Field(None, max_length=64, examples=["4711"])
    name: str | None = Field(None, max_length=64)
    password: str | None = Field(None, max_length=1024)

    @model_validator(mode="after")
    def _one_way(self) -> Login:
        by_pin = self.pin is not None and self.name is None and self.password is None
        by_name = self.pin is None and self.name is not None and self.password is not None
        if not by_pin and not by_name:
            raise ValueError("send either pin, or name and password")
        return self


class Sign(BaseModel):
    """What the lamp over the door would show: no title, no names, no pictures."""

    state: SessionState | Literal["free"]
    recording_state: str
    elapsed_s: float
    now: datetime


class Me(BaseModel):
    """Who is signed in here (`name` and `role`, or null), and what everyone may know.

    `ways`: how to sign in. `help_phone`: whom to ring. `pages`: names the built pages; it changes
    with an upgrade.
    """

    name: str | None
    role: AccessRole | None
    ways: list[Literal["pin", "password"]]
    room: str
    room_name: str
    timezone: str
    languages: list[str]
    help_phone: str
    sign: Sign
    pages: str


def _sign(session: SessionView | None) -> Sign:
    if session is None or session.state == SessionState.ENDED:
        return Sign(state="free", recording_state="none", elapsed_s=0.0, now=datetime.now(UTC))
    return Sign(
        state=session.state,
        recording_state="failed" if session.recording_error else session.recording_state,
        elapsed_s=session.elapsed_s,
        now=session.now,
    )


def _me(request: Request, room: Room, identity: Identity | None) -> Me:
    view = room.view()
    return Me(
        name=identity.name if identity else None,
        role=identity.role if identity else None,
        ways=authenticator(request).ways,
        room=view.room,
        room_name=view.name,
        timezone=view.timezone,
        languages=view.languages,
        help_phone=view.help.phone,
        sign=_sign(view.session),
        pages=request.app.state.pages_version,
    )


@router.get("/me")
async def me(request: Request, room: Room, identity: Annotated[Identity | None, anyone]) -> Me:
    """Who is calling, and what the room tells everyone."""
    return _me(request, room, identity)


@router.post("/login")
async def login(
    request: Request,
    response: Response,
    room: Room,
    body: Login,
    _: Annotated[Any, anyone],
) -> Me:
    """Sign this browser in. 401 when the secret is wrong; 429 with the wait when locked out."""
    secret = body.pin if body.pin is not None else body.password
    assert secret is not None
    auth = authenticator(request)
    identity = await auth.login(request, name=body.name, secret=secret)
    auth.open_session(request, response, identity)
    return _me(request, room, identity)


@router.post("/logout", status_code=204)
async def logout(request: Request, response: Response, _: Student) -> None:
    """Sign this browser out."""
    await authenticator(request).close_session(request, response)

"""Finding devices, and trying one out before it belongs to the room."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import (
    BaseModel,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)
from starlette.requests import HTTPConnection

from controller.discovery import Discovery, SearchView, TrialView
from controller.errors import ClassroomError
from controller.state import AccessRole
from dashboard.room import Room, Technician
from devices.discovery.found import DiscoveryConfig
from devices.model import DeviceSpec
from firmware_profiles.catalog import Catalog
from firmware_profiles.loader import ProfileError

router = APIRouter(tags=["discovery"])


class Look(BaseModel):
    """How long to look, and which subnets may be probed beside what announces itself."""

    seconds: float = Field(5.0, gt=0, le=60)
    subnets: list[str] = Field(default_factory=list, max_length=8, examples=[["10.0.12.0/26"]])


class Trial(BaseModel):
    """A device as it would stand in room.toml, and a command to send to it, if any."""

    profile: str = Field(max_length=100, examples=["pjlink/class1"])
    transport: str = Field(max_length=300, examples=["tcp://10.0.12.20:4352"])
    options: dict[str, Any] = Field(default_factory=dict)
    command: str | None = Field(None, max_length=60)
    value: StrictBool | StrictInt | StrictFloat | StrictStr | None = None


class ProfileView(BaseModel):
    """A firmware profile: what it is for."""

    name: str
    title: str
    vendor: str
    kind: str
    models: list[str]


def _discovery(connection: HTTPConnection) -> Discovery:
    return connection.app.state.discovery  # type: ignore[no-any-return]


Finder = Annotated[Discovery, Depends(_discovery)]


@router.get("/discovery")
async def discovery(finder: Finder, _: Technician) -> SearchView:
    """What the search has found so far."""
    return finder.view()


@router.post("/discovery")
async def look(
    finder: Finder,
    room: Room,
    identity: Technician,
    body: Annotated[Look | None, Body()] = None,
) -> SearchView:
    """Begin to look; ask GET for what is found meanwhile."""
    asked = body or Look.model_validate({})
    try:
        wanted = DiscoveryConfig(seconds=asked.seconds, subnets=asked.subnets)
    except ValidationError as error:
        message = str(error.errors()[0]["msg"])
        raise ClassroomError("bad_value", message, "Name one like 10.0.12.0/26.", 422) from error
    await room.journal.enter(identity.actor, "discovery", data={"subnets": asked.subnets})
    return await finder.start(wanted)


@router.post("/discovery/stop")
async def stop(finder: Finder, _: Technician) -> SearchView:
    """Give the search up."""
    await finder.stop()
    return finder.view()


@router.post("/discovery/trial")
async def trial(finder: Finder, room: Room, identity: Technician, body: Trial) -> TrialView:
    """Connect for a moment and, if asked, send one real command; nothing is kept.

    A secret is sent to whatever answers, so only an administrator names one that no device here
    has.
    """
    known = {str(value) for one in room.config.devices for value in one.options.values()}
    named = {str(value) for value in body.options.values()} - known
    if not identity.may(AccessRole.ADMIN) and any(
        value.startswith(("env:", "file:")) for value in named
    ):
        raise ClassroomError(
            "not_allowed",
            "Only an administrator may send a secret that no device of this room has.",
            "Sign in as administrator, or try it without the password.",
            403,
        )
    try:
        spec = DeviceSpec(
            id="trial", profile=body.profile, transport=body.transport, options=body.options
        )
    except ValidationError as error:
        raise ClassroomError("bad_device", str(error.errors()[0]["msg"]), "", 422) from error
    data = {"profile": body.profile, "transport": body.transport, "command": body.command}
    await room.journal.enter(identity.actor, "trial", data=data)
    return await finder.trial(spec, body.command, body.value)


@router.get("/profiles")
async def profiles(room: Room, _: Technician) -> list[ProfileView]:
    """Every device that this room could speak with."""
    catalog = Catalog(room.config.profiles.paths)
    views = []
    for name in catalog.names():
        try:
            found = catalog.get(name)
        except (ProfileError, KeyError):
            continue
        views.append(
            ProfileView(
                name=name,
                title=found.title,
                vendor=found.vendor,
                kind=str(found.kind),
                models=found.models,
            )
        )
    return views

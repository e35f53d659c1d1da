"""Pairing, the technician's part: codes and their QR, the tablets, their names and seats."""

from __future__ import annotations

import io
from typing import Annotated, Literal

import segno
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from dashboard.problems import ProblemError
from dashboard.room import Technician
from dashboard.tablets import Room
from devices.tablets.pairing import Code, PairingError, Tablet

router = APIRouter(prefix="/tablets")


class NewCodes(BaseModel):
    """Names of the tablets to pair. `each`: a code per tablet, else one code for the set."""

    names: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        min_length=1, max_length=200, examples=[["Seat 1", "Seat 2"]]
    )
    role: Literal["student", "board", "lecturer"] = "student"
    each: bool = False
    minutes: int = Field(default=30, ge=1, le=480)


class CodeView(BaseModel):
    """A code as it is shown: to type at `url`, or to scan. `names`: whom it still pairs."""

    code: str
    url: str
    qr: str
    names: list[str]
    role: str
    expires: int


class Change(BaseModel):
    """A new name, or another seat; `swap`: whoever has that seat gets this tablet's."""

    name: str | None = Field(default=None, min_length=1, max_length=60)
    seat: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")
    swap: bool = False


class TabletView(Tablet):
    """A tablet as the technician sees it; `connected`: it is here now."""

    connected: bool


def pairing_problem(error: PairingError) -> ProblemError:
    """A pairing that did not come about, as the API tells it."""
    status = {"too_many_guesses": 429, "unknown_tablet": 404, "seat_taken": 409, "not_revoked": 409}
    return ProblemError(status.get(error.code, 403), error.code, str(error))


def qr(text: str) -> str:
    """A QR code as SVG, with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=4, xmldecl=False, omitsize=True, light="#ffffff", dark="#000000"
    )
    return out.getvalue().decode().strip()


def code_view(request: Request, code: Code) -> CodeView:
    """The code with its address and QR."""
    address = request.app.state.tablets.settings.address or str(request.base_url)
    url = f"{address.rstrip('/')}/tablet#{code.text}"
    return CodeView(
        code=code.text,
        url=url,
        qr=qr(url),
        names=list(code.names),
        role=code.role,
        expires=code.expires,
    )


@router.get("")
async def tablets_list(_: Technician, tablets: Room) -> list[TabletView]:
    """Every tablet: seat, version, battery (percent), last contact (ms since 1970)."""
    here = {member.tablet.id for member in tablets.members if member.greeted}
    return [
        TabletView(**tablet.model_dump(), connected=tablet.id in here)
        for tablet in tablets.pairing.tablets()
    ]


@router.get("/codes")
async def open_codes(request: Request, _: Technician, tablets: Room) -> list[CodeView]:
    """The technician's codes that still pair a tablet."""
    return [code_view(request, code) for code in tablets.pairing.open_codes()]


@router.post("/codes")
async def codes(request: Request, _: Technician, tablets: Room, wanted: NewCodes) -> list[CodeView]:
    """Codes to pair tablets with: one per tablet, or one for a class set."""
    pairing = tablets.pairing
    if wanted.each:
        made = pairing.pair_each(wanted.names, wanted.role, wanted.minutes)
    else:
        made = [pairing.pair_set(wanted.names, wanted.role, wanted.minutes)]
    return [code_view(request, code) for code in made]


@router.delete("/codes/{code}")
async def cancel(_: Technician, tablets: Room, code: str) -> None:
    """Takes a code back."""
    tablets.pairing.cancel(code)


@router.patch("/{tablet}")
async def change(_: Technician, tablets: Room, tablet: str, wanted: Change) -> Tablet:
    """Renames a tablet or moves it to another seat."""
    try:
        known = tablets.pairing.tablet(tablet)
        if wanted.name is not None:
            known = await tablets.pairing.rename(tablet, wanted.name)
        if wanted.seat is not None:
            known = await tablets.pairing.move(tablet, wanted.seat, swap=wanted.swap)
    except PairingError as error:
        raise pairing_problem(error) from error
    return known


@router.post("/{tablet}/revoke")
async def revoke(_: Technician, tablets: Room, tablet: str) -> Tablet:
    """Takes the pairing back: the tablet is cut off at once."""
    try:
        return await tablets.pairing.revoke(tablet)
    except PairingError as error:
        raise pairing_problem(error) from error


@router.delete("/{tablet}")
async def remove(_: Technician, tablets: Room, tablet: str) -> None:
    """Takes a revoked tablet off the list."""
    try:
        await tablets.pairing.remove(tablet)
    except PairingError as error:
        raise pairing_problem(error) from error

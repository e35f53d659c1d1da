"""A person's data, found and erased on request. For administrators only."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, Field

from controller.persons import Found
from dashboard.room import Admin, Room

router = APIRouter(prefix="/persons", tags=["persons"])


class Person(BaseModel):
    """The person's name as people write it; found as a whole word, whatever its case."""

    name: str = Field(min_length=2, max_length=120, pattern=r"\w", examples=["Ada Byron"])


class PersonData(BaseModel):
    """Where the person's data lie. `at_s` tells where captions say the name."""

    found: list[Found]
    erased: bool


@router.post("/find")
async def find(room: Room, caller: Admin, body: Person) -> PersonData:
    """Where this person is named, and what the person made; nothing is changed."""
    found = await asyncio.to_thread(room.persons.find, body.name)
    await room.rights.note_person(caller.actor, "find_person", found)
    return PersonData(found=found, erased=False)


@router.post("/erase")
async def erase(room: Room, caller: Admin, body: Person) -> PersonData:
    """Erase it all; recordings that were published are delivered anew."""
    found, folders = await asyncio.to_thread(room.persons.erase, body.name)
    await room.rights.note_person(caller.actor, "erase_person", found, folders)
    return PersonData(found=found, erased=True)

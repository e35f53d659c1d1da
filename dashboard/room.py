"""The room that this app shows, as routes ask for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from controller.state import AccessRole
from dashboard.auth import Identity, require


async def classroom(connection: HTTPConnection) -> Classroom:
    """The app's classroom."""
    return connection.app.state.classroom  # type: ignore[no-any-return]


Room = Annotated[Classroom, Depends(classroom)]
Student = Annotated[Identity, require(AccessRole.STUDENT)]
Instructor = Annotated[Identity, require(AccessRole.INSTRUCTOR)]
Admin = Annotated[Identity, require(AccessRole.ADMIN)]
Technician = Annotated[Identity, require(AccessRole.TECHNICIAN)]

"""Decks from the course: the presentations that lie in the course's Moodle page, read only.

Moodle's web service: `core_course_get_courses_by_field`, `core_course_get_contents`, and the files
at `webservice/pluginfile.php`. Nearly every error of Moodle is HTTP 200, and the token goes in the
body, never in an address, where it would stand in logs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx

from devices.tablets.decks import MAX_BYTES, DeckError
from devices.tablets.sticks import SHOWN, FoundFile

TIMEOUT_S = 30.0
FIELDS = ("idnumber", "shortname", "id")
_REMEDIES = {
    "invalidtoken": "the token is not valid (any more). Ask the technician for a new one.",
    "accessexception": "the token's service lacks a function. Add core_course_get_contents to it.",
    "requireloginerror": "the token's user is not in this course.",
    "nopermissions": "the token's user may not see this course.",
}


class CourseFiles:
    """The files of courses in one Moodle; `token` is asked for when it is needed."""

    def __init__(
        self,
        address: str,
        token: Callable[[], str],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._address = address.rstrip("/")
        self._token = token
        self._transport = transport

    async def files(self, course: str) -> list[FoundFile]:
        """Presentations in the course, in its own order. Raises DeckError."""
        return [file for file, _ in await self._look(course)]

    async def open(self, course: str, ident: str) -> tuple[str, AsyncIterator[bytes]]:
        """Name and content of a file that was listed. Raises DeckError."""
        for file, address in await self._look(course):
            if file.id == ident:
                return file.name, self._content(address)
        raise DeckError("This file is gone from the course. Look again.")

    async def _look(self, course: str) -> list[tuple[FoundFile, str]]:
        number = await self._course(course)
        found = []
        for section in await self._call("core_course_get_contents", courseid=number):
            for module in section.get("modules", []):
                for content in module.get("contents") or []:
                    file = _shown(section.get("name", ""), module.get("name", ""), content)
                    if file:
                        found.append((file, str(content["fileurl"])))
        return found

    async def _course(self, course: str) -> int:
        for field in FIELDS:
            if field == "id" and not course.isdigit():
                continue
            told = await self._call("core_course_get_courses_by_field", field=field, value=course)
            for one in told["courses"]:
                return int(one["id"])
        raise DeckError(f"Moodle has no course {course!r} that this room's user may see.")

    async def _call(self, function: str, **fields: Any) -> Any:
        form = {"wstoken": self._token(), "wsfunction": function, **fields}
        url = f"{self._address}/webservice/rest/server.php"
        try:
            async with self._client() as client:
                answer = await client.post(
                    url,
                    params={"moodlewsrestformat": "json"},
                    data={key: str(value) for key, value in form.items()},
                )
            told = answer.json()
        except httpx.HTTPError as error:
            raise DeckError("Moodle does not answer. Bring the file from a stick.") from error
        except ValueError as error:
            raise DeckError(f"Moodle answered {answer.status_code} with no JSON.") from error
        if isinstance(told, dict) and "exception" in told:
            raise DeckError(_said(told))
        return told

    async def _content(self, address: str) -> AsyncIterator[bytes]:
        """A file's bytes; only ever from the configured Moodle, which gets the token."""
        place, own = urlsplit(address), urlsplit(self._address)
        path = place.path
        if "/webservice/pluginfile.php/" not in path:
            path = path.replace("/pluginfile.php/", "/webservice/pluginfile.php/", 1)
        if (place.scheme, place.netloc) != (own.scheme, own.netloc) or "pluginfile.php" not in path:
            raise DeckError("This file does not lie in Moodle itself. Open its link instead.")
        url = place._replace(path=path, query="", fragment="").geturl()
        taken = 0
        try:
            async with (
                self._client() as client,
                client.stream("POST", url, data={"token": self._token()}) as answer,
            ):
                kind = answer.headers.get("content-type", "")
                if answer.status_code != 200 or kind.startswith("application/json"):
                    raise DeckError(_said(_json(await answer.aread())))
                async for chunk in answer.aiter_bytes():
                    taken += len(chunk)
                    if taken > MAX_BYTES:
                        raise DeckError(f"The file is larger than {MAX_BYTES >> 20} MB.")
                    yield chunk
        except httpx.HTTPError as error:
            raise DeckError("Moodle broke off. Try again, or bring the file.") from error

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=TIMEOUT_S, transport=self._transport, follow_redirects=False
        )


def _shown(section: str, module: str, content: dict[str, Any]) -> FoundFile | None:
    name = str(content.get("filename") or "")
    if content.get("type") != "file" or PurePosixPath(name).suffix.lower() not in SHOWN:
        return None
    address = str(content.get("fileurl") or "")
    return FoundFile(
        id=hashlib.sha256(address.encode()).hexdigest()[:16],
        name=name,
        place=" / ".join(part for part in (section, module) if part and part != name),
        bytes=int(content.get("filesize") or 0),
    )


def _said(told: Any) -> str:
    code = str(told.get("errorcode", "")) if isinstance(told, dict) else ""
    return f"Moodle refuses: {_REMEDIES.get(code, code or 'it did not say why')}"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return {}

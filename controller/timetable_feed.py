"""The calendar's file: fetched by its address or read from disk, and kept for when it is away.

Only what changed is transferred (ETag, Last-Modified). The copy on disk is what a room works from
while the network is down; a calendar that makes no sense never replaces one that does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from controller.config import SecretError, resolve_secret
from controller.ical import Calendar, CalendarError
from controller.settings import TimetableSection
from recorder.recording import write_durably

LARGEST = 8 << 20
TIMEOUT_S = 30.0


class FeedError(Exception):
    """The calendar did not come: `message` says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class Feed:
    """One calendar. `updated`: when what it says was last known to be true."""

    def __init__(self, section: TimetableSection, folder: Path, zone: ZoneInfo) -> None:
        self._section = section
        self._folder = folder
        self._zone = zone
        self._seen: dict[str, Any] = {}
        self.calendar: Calendar | None = None
        self.updated: datetime | None = None

    @property
    def place(self) -> str:
        """Where the calendar is, without what may be secret in its address."""
        url = self._section.url
        return urlsplit(url).hostname or url if self._section.remote else url

    async def load(self) -> None:
        """Take the copy on disk, if it is of this address."""
        await asyncio.to_thread(self._load)

    async def refresh(self, now: datetime) -> bool:
        """Ask again; True when the calendar is another one. Raises FeedError."""
        if self._section.remote:
            body, seen = await self._fetch()
        else:
            body, seen = await asyncio.to_thread(self._read)
        if body is None:
            self.updated = now
            await asyncio.to_thread(self._keep, None, {**self._seen, "updated": now.isoformat()})
            return False
        try:
            calendar = await asyncio.to_thread(Calendar, body, self._section, self._zone)
        except CalendarError as error:
            raise FeedError(
                f"What {self.place} sends cannot be used: {error}.",
                "Open the address in a browser: it must give an iCal file, without a sign-in page.",
            ) from None
        changed = self.calendar is None or seen.get("digest") != self._seen.get("digest")
        self.calendar, self.updated = calendar, now
        seen |= {"updated": now.isoformat(), "address": self._address()}
        await asyncio.to_thread(self._keep, body, seen)
        return changed

    def _read(self) -> tuple[bytes | None, dict[str, Any]]:
        path = Path(self._section.url)
        try:
            body = path.read_bytes()
        except OSError as error:
            raise FeedError(
                f"The timetable {path} cannot be read ({error.strerror}).",
                "Put the calendar there, or correct [timetable] url.",
            ) from None
        digest = hashlib.sha256(body).hexdigest()
        if self.calendar is not None and digest == self._seen.get("digest"):
            return None, {}
        return body, {"digest": digest}

    async def _fetch(self) -> tuple[bytes | None, dict[str, Any]]:
        headers = {"accept": "text/calendar, */*;q=0.1"}
        if self.calendar is not None:
            for name, key in (("if-none-match", "etag"), ("if-modified-since", "modified")):
                if self._seen.get(key):
                    headers[name] = self._seen[key]
        try:
            async with (
                httpx.AsyncClient(
                    timeout=TIMEOUT_S, follow_redirects=True, auth=self._auth()
                ) as client,
                client.stream("GET", self._section.address, headers=headers) as answer,
            ):
                if answer.status_code == 304 and self.calendar is not None:
                    return None, {}
                if answer.status_code != 200:
                    raise FeedError(
                        f"{self.place} answers {answer.status_code} instead of the timetable.",
                        "Check `user` and `secret` of [timetable]."
                        if answer.status_code in {401, 403}
                        else "Check [timetable] url.",
                    )
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LARGEST:
                        raise FeedError(
                            f"The timetable of {self.place} is larger than {LARGEST >> 20} MiB.",
                            "Ask for a calendar of this room alone.",
                        )
                seen = {
                    "etag": answer.headers.get("etag", ""),
                    "modified": answer.headers.get("last-modified", ""),
                    "digest": hashlib.sha256(body).hexdigest(),
                }
                return bytes(body), seen
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            raise FeedError(
                f"The timetable cannot be fetched from {self.place} ({why}).",
                "The room goes on with the copy it has. Check the network and [timetable] url.",
            ) from None

    def _auth(self) -> tuple[str, str] | None:
        if not self._section.user:
            return None
        try:
            word = resolve_secret(self._section.secret) if self._section.secret else ""
        except SecretError as error:
            raise FeedError(f"The timetable's {error}", "") from None
        return self._section.user, word

    def _address(self) -> str:
        return hashlib.sha256(self._section.url.encode()).hexdigest()

    def _load(self) -> None:
        try:
            seen = json.loads((self._folder / "calendar.json").read_text("utf-8"))
            body = (self._folder / "calendar.ics").read_bytes()
            if seen["address"] != self._address():
                return
            if seen["digest"] != hashlib.sha256(body).hexdigest():
                seen = {**seen, "etag": "", "modified": "", "digest": ""}  # cut off between the two
            self.calendar = Calendar(body, self._section, self._zone)
            self.updated = datetime.fromisoformat(seen["updated"])
            self._seen = seen
        except (OSError, ValueError, KeyError, TypeError, CalendarError):
            return

    def _keep(self, body: bytes | None, seen: dict[str, Any]) -> None:
        self._seen = seen
        try:
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            if body is not None:
                write_durably(self._folder / "calendar.ics", body)
            write_durably(self._folder / "calendar.json", json.dumps(seen).encode())
        except OSError:
            return  # the room has it in memory; the disk has its own alarm

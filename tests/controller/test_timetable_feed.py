"""The calendar comes from a real server: only when it changed, and from disk when it is away."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller import timetable_feed
from controller.settings import TimetableSection
from controller.timetable_feed import Feed, FeedError

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2030, 3, 5, 8, 0, tzinfo=UTC)
ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:t\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nSUMMARY:{uid}\r\n"
    "DTSTART:20300305T090000Z\r\nDTEND:20300305T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


class CalendarServer(ThreadingHTTPServer):
    """Serves one calendar with an ETag, or whatever else a test wants of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = ICS.format(uid="optics").encode()
        self.etag = '"1"'
        self.status = 200
        self.word: str | None = None
        self.answers: list[int] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/room.ics?key=s3cret"


class _Handler(BaseHTTPRequestHandler):
    server: CalendarServer

    def do_GET(self) -> None:
        server, status = self.server, self.server.status
        if server.word and self.headers.get("authorization") != server.word:
            status = 401
        elif status == 200 and self.headers.get("if-none-match") == server.etag:
            status = 304
        server.answers.append(status)
        body = server.body if status == 200 else b""
        self.send_response(status)
        self.send_header("etag", server.etag)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[CalendarServer]:
    running = CalendarServer()
    yield running
    running.shutdown()
    running.server_close()


def feed(server: CalendarServer, folder: Path, **keys: object) -> Feed:
    section = TimetableSection.model_validate({"url": server.url, **keys})
    return Feed(section, folder / "timetable", ZONE)


def titles(one: Feed) -> list[str]:
    assert one.calendar is not None
    return [slot.title for slot in one.calendar.between(NOW, NOW + timedelta(days=1))]


async def test_only_what_changed_is_sent(server: CalendarServer, tmp_path: Path) -> None:
    one = feed(server, tmp_path)
    assert await one.refresh(NOW)
    assert not await one.refresh(NOW + timedelta(minutes=15))
    assert one.updated == NOW + timedelta(minutes=15)
    server.body, server.etag = ICS.format(uid="algebra").encode(), '"2"'
    assert await one.refresh(NOW + timedelta(minutes=30))
    assert titles(one) == ["algebra"] and server.answers == [200, 304, 200]


async def test_the_copy_on_disk_serves_while_the_network_is_down(
    server: CalendarServer, tmp_path: Path
) -> None:
    await feed(server, tmp_path).refresh(NOW)
    server.shutdown()
    server.server_close()
    again = feed(server, tmp_path)
    await again.load()
    with pytest.raises(FeedError) as failed:
        await again.refresh(NOW + timedelta(hours=1))
    assert titles(again) == ["optics"] and again.updated == NOW
    assert "cannot be fetched from 127.0.0.1" in failed.value.message
    assert "s3cret" not in str(failed.value), "the address may hold a key"


async def test_the_copy_keeps_its_etag_but_not_for_another_address(
    server: CalendarServer, tmp_path: Path
) -> None:
    await feed(server, tmp_path).refresh(NOW)
    again = feed(server, tmp_path)
    await again.load()
    assert not await again.refresh(NOW) and server.answers == [200, 304]
    other = Feed(TimetableSection(url=server.url + "&room=2"), tmp_path / "timetable", ZONE)
    await other.load()
    assert other.calendar is None
    assert "s3cret" not in (tmp_path / "timetable" / "calendar.json").read_text()


async def test_a_sign_in_page_does_not_replace_the_calendar(
    server: CalendarServer, tmp_path: Path
) -> None:
    one = feed(server, tmp_path)
    await one.refresh(NOW)
    server.body, server.etag = b"<!doctype html><title>Sign in</title>", '"3"'
    with pytest.raises(FeedError, match="no iCal calendar") as failed:
        await one.refresh(NOW)
    assert "sign-in page" in failed.value.remedy and titles(one) == ["optics"]
    again = feed(server, tmp_path)
    await again.load()
    assert titles(again) == ["optics"]


@pytest.mark.parametrize(("status", "remedy"), [(403, "secret"), (404, "url"), (500, "url")])
async def test_a_refusal_names_the_remedy(
    server: CalendarServer, tmp_path: Path, status: int, remedy: str
) -> None:
    server.status = status
    with pytest.raises(FeedError, match=str(status)) as failed:
        await feed(server, tmp_path).refresh(NOW)
    assert remedy in failed.value.remedy


async def test_a_password_is_sent_and_a_lost_one_is_named(
    server: CalendarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.word = "Basic " + base64.b64encode(b"agent:pass").decode()
    monkeypatch.setenv("CALENDAR_WORD", "pass")
    one = feed(server, tmp_path, user="agent", secret="env:CALENDAR_WORD")
    assert await one.refresh(NOW)
    monkeypatch.delenv("CALENDAR_WORD")
    with pytest.raises(FeedError, match="CALENDAR_WORD"):
        await one.refresh(NOW)


async def test_a_calendar_without_end_is_refused(
    server: CalendarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timetable_feed, "LARGEST", 100)
    with pytest.raises(FeedError, match="larger"):
        await feed(server, tmp_path).refresh(NOW)


async def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "room.ics"
    one = Feed(TimetableSection(url=f"file:{path}"), tmp_path / "timetable", ZONE)
    with pytest.raises(FeedError, match="cannot be read"):
        await one.refresh(NOW)
    path.write_text(ICS.format(uid="optics"))
    assert await one.refresh(NOW) and not await one.refresh(NOW)
    path.write_text(ICS.format(uid="algebra"))
    assert await one.refresh(NOW) and titles(one) == ["algebra"]


async def test_a_copy_that_was_cut_off_is_asked_for_again(
    server: CalendarServer, tmp_path: Path
) -> None:
    await feed(server, tmp_path).refresh(NOW)
    (tmp_path / "timetable" / "calendar.ics").write_text(ICS.format(uid="older"))
    again = feed(server, tmp_path)
    await again.load()
    assert titles(again) == ["older"]
    assert await again.refresh(NOW) and titles(again) == ["optics"]
    assert server.answers == [200, 200]

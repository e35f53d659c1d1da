"""Help is called for from the panel, and everybody who should know is told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from controller import helpdesk
from controller.classroom import ClassroomError
from controller.state import AccessRole, Actor

from .conftest import Room, until

OpenRoom = Callable[..., Awaitable[Room]]
TECHNICIAN = Actor(name="Sam", role=AccessRole.TECHNICIAN, door="api")


class Hook(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.refuse = 0

        class Handler(BaseHTTPRequestHandler):
            server: Hook

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.server.got.append((self.headers.get("authorization", ""), body))
                status = 503 if len(self.server.got) <= self.server.refuse else 204
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(helpdesk, "AGAIN_S", 0.01)
    running = Hook()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def post_office() -> Iterator[tuple[str, list[str]]]:
    """The least of a mail server: takes one message at a time."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    text = b""
                    for part in self.rfile:
                        if part == b".\r\n":
                            break
                        text += part
                    mails.append(text.decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", mails
    server.shutdown()
    server.server_close()


async def test_a_call_is_an_alarm_until_a_technician_answers(
    open_room: OpenRoom, teacher: Actor
) -> None:
    room = await open_room(sources=[], help={"phone": "+47 123"})
    help_desk = room.classroom.help
    assert help_desk.view().phone == "+47 123"
    with pytest.raises(ClassroomError):
        await help_desk.answer(TECHNICIAN)
    called = await help_desk.call(teacher, "No picture")
    assert called.state == "called" and called.by == "Ada"
    alarm = room.alarm("help.call")
    assert (alarm.who, alarm.severity) == ("technician", "critical") and "No picture" in alarm.text
    answered = await help_desk.answer(TECHNICIAN)
    assert (answered.state, answered.by) == ("answered", "Sam") and room.alarm("help.call") is None
    assert (await help_desk.close(teacher)).state == "none"
    entries = await room.classroom.journal_tail(5)
    assert [entry.kind for entry in entries] == ["help_closed", "help_answered", "help"]
    await until(lambda: [one.data["state"] for one in room.events if one.kind == "help"][-1])
    assert room.classroom.view().help.state == "none"


async def test_webhook_and_mail_carry_what_a_technician_asks_first(
    open_room: OpenRoom,
    teacher: Actor,
    hook: Hook,
    post_office: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, mails = post_office
    monkeypatch.setenv("DESK", "t0ken")
    hook.refuse = 2
    ways = {
        "webhook": f"http://127.0.0.1:{hook.server_address[1]}/",
        "webhook_secret": "env:DESK",
        "email": ["av@example.org"],
        "smtp": address,
    }
    room = await open_room(sources=[], help=ways)
    await room.classroom.help.call(teacher, "No sound\r\nBcc: evil@example.org")
    await until(lambda: len(hook.got) == 3 and mails)
    token, told = hook.got[-1]
    assert token == "Bearer t0ken" and told["room"] == "lab" and told["note"].startswith("No sound")
    head, _, _ = mails[0].partition("\r\n\r\n")
    assert "To: av@example.org" in head and not any(
        line.startswith("Bcc") for line in head.splitlines()
    )
    assert room.alarm("help.sending") is None


async def test_a_call_that_does_not_go_out_is_said_to_the_technician(
    open_room: OpenRoom, teacher: Actor, hook: Hook
) -> None:
    hook.refuse = 99
    room = await open_room(
        sources=[], help={"webhook": f"http://127.0.0.1:{hook.server_address[1]}/"}
    )
    await room.classroom.help.call(teacher)
    await until(lambda: room.alarm("help.sending"))
    assert "503" in room.alarm("help.sending").text and room.alarm("help.call")

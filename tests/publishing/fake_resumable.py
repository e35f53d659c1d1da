"""The server side of `Content-Range` uploads, as strict as Google's guide and node-uploadx."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fake_server import Answer, Request

UNIT = 256 << 10


@dataclass
class Session:
    """`size` is None while nobody knows how long the file will be."""

    size: int | None
    words: dict[str, Any]
    data: bytes = b""
    done: Any = None


@dataclass
class Sessions:
    """`keeps` is how much of a broken piece survives: Google keeps whole units of 256 KiB."""

    keeps: int = UNIT
    sessions: dict[str, Session] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def begin(self, request: Request) -> str:
        told = request.headers.get("x-upload-content-length")
        size = int(told) if told else None
        assert request.headers["x-upload-content-type"] == "video/mp4"
        name = f"up{len(self.sessions) + 1}"
        self.sessions[name] = Session(size, request.json)
        return name

    def put(self, name: str, request: Request) -> Session | Answer:
        """The finished session, or the answer on the way there."""
        session = self.sessions.get(name)
        if session is None:
            return Answer(404)
        told = re.fullmatch(
            r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", "")
        )
        if told and told[3] != "*" and session.size is None:
            session.size = int(told[3])
        if not told or (told[3] != "*" and int(told[3]) != session.size):
            self.refusals.append(f"Content-Range {request.headers.get('content-range')}")
            return Answer(400)
        if session.done is not None:
            return session
        if told[1] is None:
            if request.headers.get("content-length") != "0":
                self.refusals.append("a question with a body")
            return self._so_far(session)
        start, end = int(told[1]), int(told[2])
        if start != len(session.data):
            return Answer(409)
        if not request.whole:
            keep = len(request.body) // self.keeps * self.keeps
            session.data += request.body[:keep]
            return Answer()
        if len(request.body) != end - start + 1:
            self.refusals.append("Content-Range does not fit the body")
            return Answer(400)
        if (session.size is None or end + 1 < session.size) and len(request.body) % UNIT:
            self.refusals.append(f"a piece of {len(request.body)} bytes that is not the last")
            return Answer(400)
        session.data += request.body
        return session if len(session.data) == session.size else self._so_far(session)

    def _so_far(self, session: Session) -> Answer:
        there = len(session.data)
        return Answer(308, b"", {"range": f"bytes=0-{there - 1}"} if there else {})

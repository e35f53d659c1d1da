"""How a connection begins and how frames travel on it, seen from the controlling side.

A session stands between link and framer: `open` holds the conversation at connect, `wrap` and
`unwrap` put on and take off what the transport adds (digests, headers). The other side of each is
in `devices.far_sessions`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from devices.transports.http import PATH_END, HttpLink
from devices.transports.link import Link, LinkError
from firmware_profiles.wire import Session as SessionSpec
from firmware_profiles.wire import Step

VISCA_HEADER = struct.Struct(">HHI")
VISCA_COMMAND, VISCA_INQUIRY, VISCA_REPLY = 0x0100, 0x0110, 0x0111
VISCA_CONTROL, VISCA_CONTROL_REPLY = 0x0200, 0x0201


class SessionError(LinkError):
    """The device answered at connect, but not as it should; `remedy` says what to do."""


class Session:
    """A connection without ceremony; `steps` of the profile are carried out."""

    def __init__(self, spec: SessionSpec, link: Link, options: Mapping[str, Any]) -> None:
        self.spec, self.link, self.options = spec, link, options
        self._heard = b""
        self._arrived = asyncio.Event()
        self._opening = True
        self.refused: LinkError | None = None
        self._telnet = Telnet()
        self._answers: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Hold the conversation at connect. Raises SessionError or LinkError."""
        for step in self.spec.steps:
            await self._step(step)

    def opened(self) -> list[bytes]:
        """Ends the opening; what arrived beyond it goes to the framer."""
        self._opening = False
        rest, self._heard = self._heard, b""
        return [rest] if rest else []

    def received(self, data: bytes) -> list[bytes]:
        """Bytes from the link; returns what the framer shall see."""
        if self.spec.telnet:
            data, answer = self._telnet.feed(data)
            if answer:
                self._answers.append(asyncio.create_task(self._send_quietly(answer)))
        if self._opening:
            self._heard += data
            self._arrived.set()
            return []
        return self.unwrap(data)

    def wrap(self, frame: bytes, *, inquiry: bool) -> bytes:
        """The frame as it goes over the link."""
        return frame

    def unwrap(self, data: bytes) -> list[bytes]:
        """Received bytes without what this session adds."""
        return [data]

    async def _send_quietly(self, data: bytes) -> None:
        with suppress(LinkError):
            await self.link.write(data)
        self._answers = [task for task in self._answers if not task.done()]

    async def _step(self, step: Step) -> None:
        if step.expect is not None:
            wanted = step_bytes(step.expect, self.options)
            try:
                await self._until(wanted, step.timeout_s)
            except SessionError:
                if not step.optional:
                    raise
                return
        if step.send is not None:
            await self.link.write(step_bytes(step.send, self.options))

    async def _until(self, wanted: bytes, timeout: float) -> bytes:
        """What arrives up to and with `wanted`."""
        try:
            async with asyncio.timeout(timeout):
                while wanted not in self._heard:
                    self._arrived.clear()
                    if self.link.lost is not None:
                        raise SessionError("the device closed the connection", "is it switched on")
                    await self._arrived.wait()
        except TimeoutError:
            raise SessionError(
                f"no {wanted[:24]!r} from the device when connecting",
                "is this the right profile and port, and is no one else connected",
            ) from None
        at = self._heard.index(wanted) + len(wanted)
        head, self._heard = self._heard[:at], self._heard[at:]
        return head

    def link_lost(self) -> None:
        """Wakes a waiting `open`."""
        self._arrived.set()


def step_bytes(text: str, options: Mapping[str, Any]) -> bytes:
    """A step's bytes: options filled in (what isn't given is empty), `hex:` digits decoded."""
    for name, value in {"username": "", "password": "", **options}.items():
        text = text.replace("{" + name + "}", "" if value is None else str(value))
    if text.startswith("hex:"):
        return bytes.fromhex(text.removeprefix("hex:"))
    return text.encode("latin-1")


class Telnet:
    """Takes telnet's option negotiation (RFC 854) out of the stream and refuses every option."""

    _IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(the data without commands, what to answer)."""
        data, self._rest = self._rest + data, b""
        clean, answer, at = bytearray(), bytearray(), 0
        while at < len(data):
            if data[at] != self._IAC:
                clean.append(data[at])
                at += 1
                continue
            size = self._size(data, at)
            if size is None:
                self._rest = data[at : at + 512]
                break
            command = data[at + 1]
            if command == self._IAC:
                clean.append(self._IAC)
            elif command == self._DO:
                answer += bytes([self._IAC, self._WONT, data[at + 2]])
            elif command == self._WILL:
                answer += bytes([self._IAC, self._DONT, data[at + 2]])
            at += size
        return bytes(clean), bytes(answer)

    def _size(self, data: bytes, at: int) -> int | None:
        if at + 1 >= len(data):
            return None
        command = data[at + 1]
        if command == self._SB:
            end = data.find(bytes([self._IAC, self._SE]), at)
            return None if end < 0 and len(data) - at < 512 else max(end + 2 - at, 2)
        if command in (self._DO, self._DONT, self._WILL, self._WONT):
            return 3 if at + 2 < len(data) else None
        return 2


class PJLinkSession(Session):
    """PJLink: the greeting brings a random number; the first command carries its MD5 with the
    password (PJLink specification, section 5)."""

    _digest = b""

    async def open(self) -> None:
        line = (await self._until(b"\r", 5.0)).strip(b"\0\r\n ").decode("latin-1")
        words = line.upper().split()
        if words[:2] == ["PJLINK", "0"]:
            return
        if words[:2] != ["PJLINK", "1"] or len(words) != 3:
            raise SessionError(f"greeted with {line[:40]!r}, not as PJLink", "check the address")
        password = str(self.options.get("password") or "")
        if not password:
            raise SessionError("the projector wants a password", "set options.password")
        random = line.split()[2]
        text = (random + password).encode()
        self._digest = hashlib.md5(text, usedforsecurity=False).hexdigest().encode()

    def wrap(self, frame: bytes, *, inquiry: bool) -> bytes:
        digest, self._digest = self._digest, b""
        return digest + frame

    def unwrap(self, data: bytes) -> list[bytes]:
        if b"PJLINK ERRA" in data.upper():
            self.refused = SessionError("the projector refused the password", "correct it")
            return []
        return [data]


class NtControlSession(Session):
    """Panasonic NTCONTROL: as PJLink, with a user name, on each command's own connection."""

    _digest = b""

    async def open(self) -> None:
        words = (await self._until(b"\r", 5.0)).decode("latin-1").split()
        if words[:1] != ["NTCONTROL"] or len(words) < 2:
            raise SessionError("didn't greet as NTCONTROL", "check the address")
        if words[1] == "1" and len(words) == 3:
            user, password = self.options.get("username", ""), self.options.get("password", "")
            text = f"{user}:{password}:{words[2]}".encode()
            self._digest = hashlib.md5(text, usedforsecurity=False).hexdigest().encode()

    def wrap(self, frame: bytes, *, inquiry: bool) -> bytes:
        return self._digest + frame

    def unwrap(self, data: bytes) -> list[bytes]:
        if data.strip().endswith(b"ERRA"):
            self.refused = SessionError("the device refused the password", "correct it")
            return []
        return [data]


class AdcpSession(Session):
    """Sony ADCP: greets with NOKEY, or with a challenge that is answered with its SHA-256 with the
    password."""

    async def open(self) -> None:
        line = (await self._until(b"\r\n", 5.0)).strip().decode("latin-1")
        if line == "NOKEY":
            return
        if not re.fullmatch(r"[0-9A-Za-z]{4,64}", line):
            raise SessionError(f"greeted with {line[:40]!r}, not as ADCP", "check the address")
        password = str(self.options.get("password") or "")
        if not password:
            raise SessionError("the projector wants a password", "set options.password")
        await self.link.write(adcp_proof(line, password) + b"\r\n")
        if (await self._until(b"\r\n", 5.0)).strip() != b"ok":
            raise SessionError("the projector refused the password", "correct it")


def adcp_proof(challenge: str, password: str) -> bytes:
    """What proves to know the password."""
    return hashlib.sha256((challenge + password).encode()).hexdigest().encode()


class ViscaIpSession(Session):
    """Sony's VISCA over IP: an 8-byte header with type, length and sequence number."""

    _sequence = 0

    async def open(self) -> None:
        self._sequence = 0
        await self.link.write(VISCA_HEADER.pack(VISCA_CONTROL, 1, 0) + b"\x01")
        try:
            await self._until(b"\x02\x01\x00\x01", 1.0)
        except SessionError:
            return
        self._heard = self._heard[5:]

    def wrap(self, frame: bytes, *, inquiry: bool) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        kind = VISCA_INQUIRY if inquiry else VISCA_COMMAND
        return VISCA_HEADER.pack(kind, len(frame), self._sequence) + frame

    def unwrap(self, data: bytes) -> list[bytes]:
        frames = []
        while len(data) >= VISCA_HEADER.size:
            kind, length, sequence = VISCA_HEADER.unpack_from(data)
            payload = data[VISCA_HEADER.size : VISCA_HEADER.size + length]
            data = data[VISCA_HEADER.size + length :]
            if kind == VISCA_REPLY and sequence == self._sequence:
                frames.append(payload)
            elif kind == VISCA_CONTROL_REPLY and payload[:2] == b"\x0f\x01":
                self.refused = LinkError("sequence numbers got out of step", "starting anew")
        return frames


class MdcTlsSession(Session):
    """Samsung MDC with TLS: the display asks for TLS, then for its 4-digit PIN."""

    async def open(self) -> None:
        await self._until(b"MDCSTART<<TLS>>", 5.0)
        await self.link.start_tls()
        await self.link.write(str(self.options.get("pin", "")).rjust(4, "0").encode())
        answer = await self._until(b">>", 5.0)
        if b"<<PASS" not in answer:
            blocked = re.search(rb"FAIL:0x0*2>", answer)
            reason = "is blocked" if blocked else "was refused"
            raise SessionError(f"the PIN {reason}", "set options.pin as in the display's menu")


class HttpSession(Session):
    """HTTP: says who we are where a password is set, and hears when that isn't believed."""

    async def open(self) -> None:
        password = str(self.options.get("password") or "")
        if isinstance(self.link, HttpLink) and password:
            self.link.credentials = str(self.options.get("username") or ""), password

    def unwrap(self, data: bytes) -> list[bytes]:
        if data.partition(PATH_END)[0] in (b"401", b"403"):
            self.refused = SessionError(
                "the device refused the user name or password",
                "set options.password as in its web page",
            )
            return []
        return [data]


KINDS: dict[str, type[Session]] = {
    "plain": Session,
    "pjlink": PJLinkSession,
    "ntcontrol": NtControlSession,
    "adcp": AdcpSession,
    "visca-ip": ViscaIpSession,
    "mdc-tls": MdcTlsSession,
    "http": HttpSession,
    "shelly": HttpSession,
}

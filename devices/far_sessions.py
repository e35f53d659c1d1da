"""The device's side of each session in `devices.sessions`, for the simulator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from devices.sessions import (
    VISCA_CONTROL,
    VISCA_CONTROL_REPLY,
    VISCA_HEADER,
    VISCA_REPLY,
    adcp_proof,
    step_bytes,
)
from firmware_profiles.wire import Session as SessionSpec

_RANDOM = "498e4a67"


class FarSession:
    """What the device does at connect and around frames. `replies` is sent before any answer;
    `closing` asks to hang up."""

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        self.spec, self.options = spec, options
        self.replies: list[bytes] = []
        self.closing = False
        self._heard = b""
        self._steps = list(spec.steps)

    def greet(self) -> None:
        """The connection stands: say what the device says first."""
        self._advance()

    def received(self, data: bytes) -> list[bytes]:
        """Bytes from the controller; returns what the framer shall see."""
        if not self._steps:
            return [data]
        self._heard += data
        self._advance()
        if self._steps:
            return []
        rest, self._heard = self._heard, b""
        return [rest] if rest else []

    def _advance(self) -> None:
        while self._steps:
            step = self._steps[0]
            if step.expect is not None:
                self.replies.append(step_bytes(step.expect, self.options))
                self._steps[0] = step = step.model_copy(update={"expect": None})
            if step.send is not None:
                wanted = step_bytes(step.send, self.options)
                if wanted not in self._heard:
                    return
                self._heard = self._heard.split(wanted, 1)[1]
            self._steps.pop(0)

    def wrap(self, frame: bytes) -> bytes:
        """An answer, or something said unasked, as it goes over the link; empty when it doesn't."""
        return frame

    def public(self, data: bytes) -> bool:
        """HTTP: does the device answer this to anyone, whatever its password?"""
        return False


class FarPJLink(FarSession):
    """Greets with a random number when it has a password and wants its digest once."""

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec, options)
        self._password = str(options.get("password") or "")
        text = (_RANDOM + self._password).encode()
        self._digest = hashlib.md5(text, usedforsecurity=False).hexdigest().encode()
        self._trusted = not self._password

    def greet(self) -> None:
        self.replies.append(b"PJLINK 0\r" if self._trusted else f"PJLINK 1 {_RANDOM}\r".encode())

    def received(self, data: bytes) -> list[bytes]:
        self._heard = (self._heard + data)[-1024:]
        frames = []
        while b"\r" in self._heard:
            line, _, self._heard = self._heard.partition(b"\r")
            if line.startswith(self._digest):
                line, self._trusted = line.removeprefix(self._digest), True
            if not self._trusted:
                self.replies.append(b"PJLINK ERRA\r")
                self.closing = True
                break
            frames.append(line + b"\r")
        return frames


class FarNtControl(FarSession):
    """Greets as NTCONTROL and wants the digest before every command."""

    def greet(self) -> None:
        self._digest = b""
        if self.options.get("password"):
            text = f"{self.options.get('username', '')}:{self.options['password']}:{_RANDOM}"
            self._digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().encode()
            self.replies.append(f"NTCONTROL 1 {_RANDOM}\r".encode())
        else:
            self.replies.append(b"NTCONTROL 0\r")

    def received(self, data: bytes) -> list[bytes]:
        if not data.startswith(self._digest):
            self.replies.append(b"ERRA\r")
            self.closing = True
            return []
        return [data.removeprefix(self._digest)]


class FarAdcp(FarSession):
    """Greets with a challenge when it has a password and wants its proof once."""

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec, options)
        self._password = str(options.get("password") or "")
        self._trusted = not self._password

    def greet(self) -> None:
        self.replies.append(b"NOKEY\r\n" if self._trusted else f"{_RANDOM}\r\n".encode())

    def received(self, data: bytes) -> list[bytes]:
        if self._trusted:
            return [data]
        self._heard = (self._heard + data)[-1024:]
        line, end, rest = self._heard.partition(b"\r\n")
        if not end:
            return []
        self._heard = b""
        self._trusted = line == adcp_proof(_RANDOM, self._password)
        self.replies.append(b"ok\r\n" if self._trusted else b"err_auth\r\n")
        self.closing = not self._trusted
        return [rest] if rest and self._trusted else []


class FarViscaIp(FarSession):
    """Takes the header off, answers with the same sequence number."""

    _sequence = 0

    def received(self, data: bytes) -> list[bytes]:
        frames = []
        while len(data) >= VISCA_HEADER.size:
            kind, length, sequence = VISCA_HEADER.unpack_from(data)
            payload = data[VISCA_HEADER.size : VISCA_HEADER.size + length]
            data = data[VISCA_HEADER.size + length :]
            self._sequence = sequence
            if kind == VISCA_CONTROL:
                head = VISCA_HEADER.pack(VISCA_CONTROL_REPLY, 1, sequence)
                self.replies.append(head + b"\x01")
            elif kind in (0x0100, 0x0110, 0x0120):
                frames.append(payload)
        return frames

    def wrap(self, frame: bytes) -> bytes:
        return VISCA_HEADER.pack(VISCA_REPLY, len(frame), self._sequence) + frame


class FarMdcTls(FarSession):
    """Asks for TLS, then for the PIN. The transport encrypts between the two."""

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec, options)
        self._pin: bytes | None = str(options.get("pin", "0000")).rjust(4, "0").encode()

    def greet(self) -> None:
        self.replies.append(b"MDCSTART<<TLS>>")

    def received(self, data: bytes) -> list[bytes]:
        if self._pin is None:
            return [data]
        self._heard += data
        if len(self._heard) < 4:
            return []
        given, rest, self._heard = self._heard[:4], self._heard[4:], b""
        if given != self._pin:
            self.replies.append(b"MDCAUTH<<FAIL:0x01>>")
            self.closing = True
            return []
        self._pin = None
        self.replies.append(b"MDCAUTH<<PASS>>")
        return [rest] if rest else []


FAR_KINDS: dict[str, type[FarSession]] = {
    "plain": FarSession,
    "pjlink": FarPJLink,
    "ntcontrol": FarNtControl,
    "adcp": FarAdcp,
    "visca-ip": FarViscaIp,
    "mdc-tls": FarMdcTls,
    "http": FarSession,
}

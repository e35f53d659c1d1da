"""ONVIF seen from the controlling side: who we are, where the services are, what tokens mean.

Profiles write messages in the short form of `devices.onvif.soap` and say `main` or `sub` for a
media profile and a number for a preset; the camera's own tokens are put in here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from devices.onvif.security import token
from devices.onvif.soap import Element, SoapError, body, envelope, fault, parse
from devices.sessions import Session, SessionError
from devices.transports.http import PATH_END, HttpLink
from devices.transports.link import Link, LinkError
from firmware_profiles.wire import Session as SessionSpec

_PROFILE = re.compile(r"(<(trt|tptz):ProfileToken>)(main|sub)(</)")
_PRESET = re.compile(r"<tptz:PresetToken>(\d+)</tptz:PresetToken>")
_SERVICES = {"tds:Device": "tds", "tt:Device": "tds", "tt:Media": "trt", "tt:PTZ": "tptz"}
_REFUSED = ("NotAuthorized", "FailedAuthentication", "InvalidSecurity")
_USER = re.compile(r"(<tt:Uri>\w+://)[^/@<]*@")  # addresses go into logs and manifests
ANSWER_S = 5.0


class OnvifSession(Session):
    """SOAP with WS-Security (and HTTP digest where the camera asks for that)."""

    def __init__(self, spec: SessionSpec, link: Link, options: Mapping[str, Any]) -> None:
        super().__init__(spec, link, options)
        self._paths: dict[str, str] = {}
        self._offset = timedelta()
        self._profiles: dict[str, str] = {}
        self._presets: dict[int, str] = {}
        self._setting: int | None = None
        self._reply: asyncio.Future[bytes] | None = None

    # --- at connect ----------------------------------------------------------------------------

    async def open(self) -> None:
        if isinstance(self.link, HttpLink) and self._user:
            self.link.credentials = (self._user, self._password)
        self._offset = await self._clock_offset()
        capabilities = await self._ask(
            "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>"
        )
        for element, prefix in _SERVICES.items():
            for found in capabilities.all(element):
                if address := found.said("tt:XAddr"):
                    self._paths[prefix] = urlsplit(address).path
        if "trt" not in self._paths:
            raise SessionError("the camera has no media service", "is this its ONVIF address")
        await self._learn_profiles()
        if "tptz" in self._paths:
            await self._learn_presets()

    async def _clock_offset(self) -> timedelta:
        """Anyone may ask the time, says ONVIF; some cameras think otherwise."""
        ask = "<tds:GetSystemDateAndTime/>"
        try:
            return _clock(await self._ask(ask, trusted=False))
        except SessionError:
            return _clock(await self._ask(ask))

    @property
    def _user(self) -> str:
        return str(self.options.get("username") or "")

    @property
    def _password(self) -> str:
        return str(self.options.get("password") or "")

    async def _learn_profiles(self) -> None:
        """`main` is the media profile with the most pixels, `sub` the one with the fewest."""
        sizes: dict[str, int] = {}
        answer = await self._ask("<trt:GetProfiles/>")
        for found in answer.all("trt:Profiles"):
            resolution = found.find("tt:VideoEncoderConfiguration", "tt:Resolution")
            wide, high = (
                (_whole(resolution.said(f"tt:{side}")) for side in ("Width", "Height"))
                if resolution is not None
                else (0, 0)
            )
            if name := found.attributes.get("token"):
                sizes[name] = wide * high
        if not sizes:
            raise SessionError("the camera has no media profile", "set one up in its menu")
        self._profiles = {"main": max(sizes, key=lambda t: sizes[t])}
        smaller = [name for name in sizes if sizes[name] > 0]
        self._profiles["sub"] = min(smaller or sizes, key=lambda t: sizes[t])
        for ours, option in (("main", "media_profile"), ("sub", "sub_profile")):
            if pinned := str(self.options.get(option) or ""):
                if pinned not in sizes:
                    known = ", ".join(sizes)
                    raise SessionError(f"no media profile {pinned!r}", f"there is {known}")
                self._profiles[ours] = pinned

    async def _learn_presets(self) -> None:
        """A preset's number is in its token or its name, or else its place in the list."""
        ask = "<tptz:GetPresets><tptz:ProfileToken>main</tptz:ProfileToken></tptz:GetPresets>"
        try:
            answer = await self._ask(ask)
        except SessionError:
            return
        self._presets.clear()
        for place, found in enumerate(answer.all("tptz:Preset"), 1):
            name = found.attributes.get("token", "")
            number = _last_number(name)
            if number is None or number in self._presets:
                number = _last_number(found.said("tt:Name"))
            if number is None or number in self._presets:
                number = place
            if name:
                self._presets.setdefault(number, name)

    async def _ask(self, short: str, *, trusted: bool = True) -> Element:
        """One question of our own. Raises SessionError for a fault, LinkError."""
        self._reply = asyncio.get_running_loop().create_future()
        await self.link.write(self._document(short, trusted=trusted))
        try:
            async with asyncio.timeout(ANSWER_S):
                raw = await self._reply
        except TimeoutError:
            raise SessionError("the camera doesn't answer ONVIF", "is ONVIF switched on") from None
        status, _, document = raw.partition(PATH_END)
        if status == b"401":
            raise _not_trusted()
        try:
            answer = body(parse(document))
        except SoapError as error:
            code = status.decode("latin-1")
            raise SessionError(
                f"answered {code}, not as ONVIF ({error})", "check address and port"
            ) from error
        refused = fault(answer)
        if refused is not None:
            if refused.endswith(_REFUSED):
                raise _not_trusted()
            asked = short[1:40]
            raise SessionError(f"the camera refused {asked!r} ({refused})", "check its settings")
        return answer

    def received(self, data: bytes) -> list[bytes]:
        if self._reply is not None:
            if not self._reply.done():
                self._reply.set_result(data)
            return []
        return self.unwrap(data)

    def opened(self) -> list[bytes]:
        self._reply = None
        return super().opened()

    def link_lost(self) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(LinkError(self.link.lost or "the connection was lost"))

    # --- messages ------------------------------------------------------------------------------

    def wrap(self, frame: bytes, *, inquiry: bool) -> bytes:
        return self._document(frame.decode("utf-8", "replace"))

    def _document(self, short: str, *, trusted: bool = True) -> bytes:
        short = self._with_tokens(short)
        prefix = short[1:].partition(":")[0]
        security = trusted and bool(self._user)
        header = token(self._user, self._password, self._offset) if security else ""
        return self._paths.get(prefix, "").encode() + PATH_END + envelope(short, header)

    def _with_tokens(self, short: str) -> str:
        short = _PROFILE.sub(lambda m: m[1] + self._profiles.get(m[3], m[3]) + m[4], short)
        setting = short.startswith("<tptz:SetPreset>")
        self._setting = None

        def preset(found: re.Match[str]) -> str:
            number = int(found[1])
            known = self._presets.get(number)
            if setting:
                self._setting = number
                if known is None:
                    return ""
            return f"<tptz:PresetToken>{known or number}</tptz:PresetToken>"

        return _PRESET.sub(preset, short)

    def unwrap(self, data: bytes) -> list[bytes]:
        status, _, document = data.partition(PATH_END)
        try:
            answer = body(parse(document))
        except SoapError:
            if status == b"401":
                self.refused = _not_trusted()
            return []
        code = fault(answer)
        if code is not None:
            if code.endswith(_REFUSED) or status == b"401":
                self.refused = _not_trusted()
                return []
            return [f"<s:Fault>{code}</s:Fault>".encode()]
        given = answer.said("tptz:PresetToken")
        if answer.name == "tptz:SetPresetResponse" and self._setting is not None and given:
            self._presets[self._setting] = given
        return [_USER.sub(r"\1", answer.short()).encode()]


def _not_trusted() -> SessionError:
    return SessionError(
        "the camera refused the user name or password",
        "set options.username and options.password as in its list of ONVIF users",
    )


def _clock(answer: Element) -> timedelta:
    """The camera's clock minus ours; none when it doesn't say its time."""
    for at in answer.all("tt:UTCDateTime"):
        day = [_whole(at.said("tt:Date", f"tt:{part}")) for part in ("Year", "Month", "Day")]
        time = [_whole(at.said("tt:Time", f"tt:{part}")) for part in ("Hour", "Minute", "Second")]
        try:
            return datetime(*day, *time, tzinfo=UTC) - datetime.now(UTC)  # type: ignore[arg-type,misc]
        except (ValueError, OverflowError):
            break
    return timedelta()


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def _last_number(text: str) -> int | None:
    found = re.search(r"(\d{1,6})$", text)
    return int(found[1]) if found else None

"""ONVIF seen from the camera: checks who asks, answers what is about the camera as a whole, and
leaves the rest (moves, presets, addresses) to the simulated device.

Its tokens are not the numbers that profiles write, so that both translations are tried.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from devices.far_sessions import FarSession
from devices.onvif.security import trusted
from devices.onvif.soap import Element, SoapError, body, envelope, parse
from devices.transports.http import PATH_END
from firmware_profiles.wire import Session as SessionSpec

TOKENS = {"main": "profile_1", "sub": "profile_2"}
_OPEN = ("tds:GetSystemDateAndTime", "tds:GetCapabilities", "tds:GetServices")
_NO_ZOOM = re.compile(r'(<tt:PanTilt [^<>]*/>)<tt:Zoom x="0.000"/>')
_STANDING = re.compile(r'<tt:PanTilt x="0.000" y="0.000"/>(<tt:Zoom )')
_TIMEOUT = re.compile(r"<tptz:Timeout>[^<]*</tptz:Timeout>")


class FarOnvif(FarSession):
    """A camera with two media profiles, presets, and one user when it has a password.

    Option `clock_offset` (seconds) puts its clock wrong; `host` is the address that it names.
    """

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec, options)
        self._offset = timedelta(seconds=float(options.get("clock_offset") or 0))
        self._presets: dict[str, str] = {}
        self._answered = ""

    def received(self, data: bytes) -> list[bytes]:
        _, _, document = data.partition(PATH_END)
        try:
            whole = parse(document)
            asked = body(whole)
        except SoapError:
            self._fault("s:Sender", "ter:WellFormed", 400)
            return []
        password = str(self.options.get("password") or "")
        user = str(self.options.get("username") or "admin")
        now = datetime.now(UTC) + self._offset
        if password and asked.name not in _OPEN and not trusted(whole, user, password, now):
            self._fault("s:Sender", "ter:NotAuthorized", 400)
            return []
        answer = self._own(asked)
        if answer is not None:
            self._say(answer)
            return []
        return [self._short(asked).encode()]

    def wrap(self, frame: bytes) -> bytes:
        short = frame.decode()
        if short.startswith("<s:Fault>"):
            code = short.removeprefix("<s:Fault>").removesuffix("</s:Fault>")
            return _document(_fault("s:Sender", code or "ter:InvalidArgVal"), 400)
        if short.startswith("<tptz:SetPresetResponse>"):
            token = f"<tptz:PresetToken>{self._answered}</tptz:PresetToken>"
            short = f"<tptz:SetPresetResponse>{token}</tptz:SetPresetResponse>"
        return _document(short)

    def _say(self, short: str) -> None:
        self.replies.append(_document(short))

    def _fault(self, code: str, subcode: str, status: int) -> None:
        self.replies.append(_document(_fault(code, subcode), status))

    def _short(self, asked: Element) -> str:
        """As profiles write it: our tokens become theirs."""
        short = asked.short()
        for ours, token in TOKENS.items():
            for prefix in ("trt", "tptz"):
                mark = f"{prefix}:ProfileToken>"
                short = short.replace(f"<{mark}{token}</{mark}", f"<{mark}{ours}</{mark}")
        if asked.name == "tptz:GotoPreset":
            token = asked.said("tptz:PresetToken")
            name = self._presets.get(token, token)
            start = short.index("<tptz:PresetToken>")
            short = f"{short[:start]}<tptz:PresetToken>{name}</tptz:PresetToken></tptz:GotoPreset>"
        elif asked.name == "tptz:SetPreset":
            short = self._remembered(asked)
        elif asked.name == "tptz:ContinuousMove":
            short = _STANDING.sub(r"\1", _NO_ZOOM.sub(r"\1", short))
            if not _TIMEOUT.search(short):
                end = "</tptz:ContinuousMove>"
                short = short.replace(end, f"<tptz:Timeout>PT5S</tptz:Timeout>{end}")
        return short

    def _remembered(self, asked: Element) -> str:
        token = asked.said("tptz:PresetToken")
        number = re.search(r"(\d+)$", asked.said("tptz:PresetName") or self._presets.get(token, ""))
        name = number[1] if number else str(len(self._presets) + 1)
        if token not in self._presets:
            token = f"preset-{chr(ord('a') + len(self._presets) % 26)}{len(self._presets) // 26}x"
        self._presets[token] = name
        self._answered = token
        return (
            "<tptz:SetPreset><tptz:ProfileToken>main</tptz:ProfileToken>"
            f"<tptz:PresetName>{name}</tptz:PresetName>"
            f"<tptz:PresetToken>{name}</tptz:PresetToken></tptz:SetPreset>"
        )

    # --- what is about the camera as a whole ---------------------------------------------------

    def _own(self, asked: Element) -> str | None:
        answers = {
            "tds:GetSystemDateAndTime": self._time,
            "tds:GetCapabilities": self._capabilities,
            "tds:GetServices": self._services,
            "trt:GetProfiles": lambda: _wrapped("trt", "GetProfiles", _PROFILES),
            "trt:GetVideoSources": lambda: _wrapped("trt", "GetVideoSources", _SOURCE),
            "tptz:GetConfigurations": lambda: _wrapped(
                "tptz", "GetConfigurations", f'<tptz:PTZConfiguration token="ptz">{_PTZ}'
                "</tptz:PTZConfiguration>"
            ),
            "tptz:GetPresets": self._told_presets,
        }  # fmt: skip
        answer = answers.get(asked.name)
        return None if answer is None else answer()

    def _time(self) -> str:
        now = datetime.now(UTC) + self._offset
        return _wrapped(
            "tds",
            "GetSystemDateAndTime",
            "<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time>"
            f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime>",
        )

    def _address(self, service: str) -> str:
        return f"http://{self.options.get('host') or '127.0.0.1'}/onvif/{service}"

    def _capabilities(self) -> str:
        return _wrapped(
            "tds",
            "GetCapabilities",
            "<tds:Capabilities>"
            f"<tt:Device><tt:XAddr>{self._address('device_service')}</tt:XAddr></tt:Device>"
            f"<tt:Media><tt:XAddr>{self._address('media')}</tt:XAddr>"
            "<tt:StreamingCapabilities/></tt:Media>"
            f"<tt:PTZ><tt:XAddr>{self._address('ptz')}</tt:XAddr></tt:PTZ></tds:Capabilities>",
        )

    def _services(self) -> str:
        names = {
            "http://www.onvif.org/ver10/device/wsdl": "device_service",
            "http://www.onvif.org/ver10/media/wsdl": "media",
            "http://www.onvif.org/ver20/ptz/wsdl": "ptz",
        }
        found = "".join(
            f"<tds:Service><tds:Namespace>{uri}</tds:Namespace>"
            f"<tds:XAddr>{self._address(name)}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for uri, name in names.items()
        )
        return _wrapped("tds", "GetServices", found)

    def _told_presets(self) -> str:
        found = "".join(
            f'<tptz:Preset token="{token}"><tt:Name>{name}</tt:Name></tptz:Preset>'
            for token, name in self._presets.items()
        )
        return _wrapped("tptz", "GetPresets", found)


def _wrapped(prefix: str, name: str, inner: str) -> str:
    return f"<{prefix}:{name}Response>{inner}</{prefix}:{name}Response>"


def _fault(code: str, subcode: str) -> str:
    return (
        f"<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value>"
        '</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">refused</s:Text></s:Reason></s:Fault>'
    )


def _document(short: str, status: int = 200) -> bytes:
    return str(status).encode() + PATH_END + envelope(short)


_PTZ = (
    "<tt:Name>PTZ</tt:Name><tt:UseCount>2</tt:UseCount><tt:NodeToken>node</tt:NodeToken>"
    "<tt:DefaultPTZTimeout>PT10S</tt:DefaultPTZTimeout>"
)
_SOURCE = (
    '<trt:VideoSources token="sensor"><tt:Framerate>30</tt:Framerate><tt:Resolution>'
    "<tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></trt:VideoSources>"
)


def _media_profile(token: str, name: str, wide: int, high: int, rate: int) -> str:
    """A complete media profile: video source, H.264 encoder and PTZ."""
    return (
        f'<trt:Profiles fixed="true" token="{token}"><tt:Name>{name}</tt:Name>'
        '<tt:VideoSourceConfiguration token="source"><tt:Name>source</tt:Name>'
        "<tt:UseCount>2</tt:UseCount><tt:SourceToken>sensor</tt:SourceToken>"
        '<tt:Bounds height="1080" width="1920" x="0" y="0"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="encoder-{token}"><tt:Name>{name}</tt:Name>'
        "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution>"
        f"<tt:Width>{wide}</tt:Width><tt:Height>{high}</tt:Height></tt:Resolution>"
        "<tt:Quality>5</tt:Quality><tt:RateControl><tt:FrameRateLimit>30</tt:FrameRateLimit>"
        f"<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>{rate}</tt:BitrateLimit>"
        "</tt:RateControl><tt:H264><tt:GovLength>30</tt:GovLength>"
        "<tt:H264Profile>High</tt:H264Profile></tt:H264><tt:Multicast><tt:Address>"
        "<tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address>"
        "<tt:Port>0</tt:Port><tt:TTL>1</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
        "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
        f'<tt:PTZConfiguration token="ptz">{_PTZ}</tt:PTZConfiguration></trt:Profiles>'
    )


_PROFILES = _media_profile(TOKENS["sub"], "Sub", 640, 360, 512) + _media_profile(
    TOKENS["main"], "Main", 1920, 1080, 4096
)

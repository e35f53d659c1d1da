"""Source addresses: what they mean, their credentials, and opening what FFmpeg reads itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from av.container import InputContainer

OPEN_TIMEOUT = 8.0
# FFmpeg's RTSP reader notices at twice the time that it is given (measured), and a camera sends
# many times a second; an HLS playlist brings nothing for as long as a segment lasts.
READ_TIMEOUT = {"rtsp": 2.0, "rtsps": 2.0}
SLOWER_READ_TIMEOUT, PLAYLIST_READ_TIMEOUT = 4.0, 25.0

_STREAMS = frozenset({"rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "file"})
_CHILDREN = {
    "test": "recorder.sources.generate",
    "v4l2": "recorder.sources.capture",
    "alsa": "recorder.sources.capture",
    "pulse": "recorder.sources.capture",
    "screen": "recorder.sources.capture",
    "ndi": "recorder.sources.ndi",
    "webrtc": "recorder.sources.shared",
}
# Kinds of which the capturing child itself chooses the channels of the sound.
CHOOSING = frozenset({"alsa", "ndi", "pulse"})
# Taken off an address before it is opened: they are ours, not the camera's.
_OWN = {
    "rtsp": ("sub", "transport"),
    "rtsps": ("sub", "transport"),
    "http": ("sub",),
    "https": ("sub",),
    "rtmp": ("sub",),
    "rtmps": ("sub",),
    "srt": ("sub",),
    "file": ("pace", "loop"),
}


class SourceError(Exception):
    """A source cannot be opened. The text is for a person and never holds credentials."""


@dataclass(frozen=True)
class Address:
    """A source address taken apart. `url` is what is opened; `own` are classroomd's options."""

    scheme: str
    url: str
    own: dict[str, str] = field(default_factory=dict)

    @property
    def child(self) -> str | None:
        """The module that captures or generates this source in a child process."""
        return _CHILDREN.get(self.scheme)

    @property
    def live(self) -> bool:
        return self.scheme != "file"

    @property
    def read_timeout(self) -> float:
        """Seconds without anything after which the connection is given up."""
        if self.url.partition("?")[0].endswith(".m3u8"):
            return PLAYLIST_READ_TIMEOUT
        return READ_TIMEOUT.get(self.scheme, SLOWER_READ_TIMEOUT)

    @property
    def fast(self) -> bool:
        """A file read as fast as possible instead of in its own time."""
        return self.own.get("pace") == "fast"

    @property
    def sub(self) -> str | None:
        return self.own.get("sub")


def child_modules(schemes: Iterable[str]) -> list[str]:
    """The modules of the children that sources of these kinds run in, each once."""
    found = (_CHILDREN.get(scheme.lower()) for scheme in schemes)
    return sorted({module for module in found if module is not None})


def parse(url: str, channel: Sequence[int] = ()) -> Address:
    """Takes an address apart; a captured sound is told which `channel` to keep.

    Raises SourceError when it cannot be a source.
    """
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if not colon or not rest:
        raise SourceError(
            f"{url!r} is not a source address; write KIND:…, such as rtsp://host/path"
        )
    if scheme in _CHILDREN:
        if channel and scheme in CHOOSING:
            url += ("&" if "?" in url else "?") + "channel=" + ",".join(map(str, channel))
        return Address(scheme, url)
    if scheme not in _STREAMS:
        known = ", ".join(sorted(_STREAMS | set(_CHILDREN)))
        raise SourceError(f"sources of kind {scheme!r} are not known here; known are {known}")
    bare, question, query = rest.partition("?")
    own: dict[str, str] = {}
    kept = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name in _OWN[scheme]:
            own[name] = unquote(value)
        else:
            kept.append(part)
    if scheme == "file":
        _check_file_options(own)
        path = bare.removeprefix("//") + (question + "&".join(kept) if kept else "")
        return Address(scheme, path if Path(path).exists() else unquote(path), own)
    if own.get("transport", "tcp") not in ("tcp", "udp"):
        raise SourceError(f"transport={own['transport']} is not known; write tcp or udp")
    return Address(scheme, f"{scheme}:{bare}" + ("?" + "&".join(kept) if kept else ""), own)


def _check_file_options(own: dict[str, str]) -> None:
    if own.get("pace", "realtime") not in ("realtime", "fast"):
        raise SourceError(f"pace={own['pace']} is not known; write realtime or fast")


def read_secret(reference: str) -> str:
    """Returns what `env:NAME` or `file:/path` refers to. Raises SourceError when it is missing."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise SourceError(f"the secret env:{name} is not set in the recorder's environment")
        return value
    if kind == "file":
        try:
            return Path(name).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SourceError(f"the secret file:{name} cannot be read: {reason}") from None
    raise SourceError(f"a secret is written env:NAME or file:/path, not {kind}:…")


def with_credentials(url: str, credentials: str) -> str:
    """Puts `user:password` into the address. The result must stay in memory."""
    parts = urlsplit(url)
    user, _, password = credentials.partition(":")
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"
    return urlunsplit(parts._replace(netloc=netloc))


def without_credentials(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def open_stream(
    address: Address, secret: str | None = None, *, patient: bool = False
) -> InputContainer:
    """Opens the address for reading, with timeouts on a network. Raises SourceError.

    `patient` looks at the stream for seconds, for one that does not describe itself.
    """
    import av

    from recorder.sources import relay

    url = address.url
    if secret is not None and address.live:
        url = with_credentials(url, read_secret(secret))
    options: dict[str, str] = {}
    timeout: tuple[float, float] | None = None
    patience = address.read_timeout
    if address.live:
        timeout = (OPEN_TIMEOUT, patience)
        # A description and the first key frame say nearly always all there is to know; looking
        # longer would cost seconds before the first packet.
        options = {"analyzeduration": "5000000" if patient else "100000", "fpsprobesize": "0"}
    if address.scheme in ("rtsp", "rtsps"):
        options |= {
            "rtsp_transport": address.own.get("transport", "tcp"),
            "timeout": str(round(patience * 1e6)),
        }
    elif address.live:
        options["rw_timeout"] = str(round(patience * 1e6))
    try:
        if address.scheme in relay.SCHEMES:
            return relay.open_relayed(url, patience, options)
        return av.open(url, "r", options=options, timeout=timeout)
    except (OSError, av.error.FFmpegError) as error:  # the error's text holds the whole address
        raise SourceError(f"{_shown(address)} does not open: {reason(error)}") from None


def _shown(address: Address) -> str:
    return without_credentials(address.url)


def reason(error: BaseException) -> str:
    """What went wrong, without the address that FFmpeg puts into its messages."""
    if isinstance(error, OSError):
        return str(error.strerror or type(error).__name__)
    return type(error).__name__

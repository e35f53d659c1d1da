"""The child that sends the program to one server: `python -m streaming.push_child`.

Reads one JSON line from standard input (`url`, `secret`, `file`) and ends when that closes. Says
`{"event":"waiting"}` each second while there is nothing to send yet, then
`{"event":"sent","bytes":n}` each second while the other side takes what is sent, and
`{"event":"failed","detail":…}` before it ends.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from recorder.annexb import annex_b, record_sets, start_coded
from streaming.boxes import BoxError
from streaming.conference import SCHEME, Conference
from streaming.fragments import Init
from streaming.opus import BITS, RATE, decoded
from streaming.samples import Sample, follow

_MICROSECOND = Fraction(1, 1_000_000)


class PushError(Exception):
    """It cannot be sent there. The text says why."""


def say(event: str, **data: Any) -> None:
    print(json.dumps({"event": event, **data}), flush=True)


class Output:
    """An open connection; `sent` counts the bytes of media that went in."""

    def __init__(self, url: str, secret: str, init: Init) -> None:
        self.sent = 0
        self._process: subprocess.Popen[bytes] | None = None
        scheme = urlsplit(url).scheme
        template = av.open(io.BytesIO(init.data), format="mp4")
        options = {"rw_timeout": "10000000", "timeout": "10000000"}
        if scheme == "srt":
            self._process = _srt(url, secret)
            assert self._process.stdin is not None
            self._out = av.open(self._process.stdin, "w", format="mpegts")
        elif scheme in ("whip", "whips"):
            address = "http" + url.removeprefix("whip")
            options = _certificate()
            if secret and "{secret}" not in url:
                options["authorization"] = secret
            self._out = av.open(_filled(address, secret), "w", format="whip", options=options)
        else:
            options = {"flvflags": "no_duration_filesize", "rw_timeout": "10000000"}
            self._out = av.open(_filled(url, secret), "w", format="flv", options=options)
        self._annex_b = scheme.startswith("whip")
        self._streams: dict[int, Any] = {}
        self._opus: OpusTrack | None = None
        for track in template.streams:
            if track.type == "audio" and self._annex_b:
                self._opus = OpusTrack(self._out, track)
            else:
                stream = self._streams[track.id] = self._out.add_stream_from_template(track)
                if self._annex_b:
                    stream.codec_context.extradata = annex_b(
                        record_sets(track.codec_context.extradata or b"")
                    )
        self._out.start_encoding()

    def write(self, sample: Sample) -> None:
        """Sends one sample. Raises OSError or FFmpegError when the other side is gone."""
        data = start_coded(sample.data) if sample.video and self._annex_b else sample.data
        packet: Any = av.Packet(data)
        packet.time_base = _MICROSECOND
        packet.pts = packet.dts = round(sample.at * 1_000_000)
        packet.is_keyframe = sample.key
        self.sent += len(sample.data)
        if not sample.video and self._opus is not None:
            self._opus.write(packet)
        elif (stream := self._streams.get(sample.track)) is not None:
            packet.stream = stream
            self._out.mux_one(packet)
        if self._process is not None and self._process.poll() is not None:
            raise PushError("the SRT connection has ended or was refused")

    def close(self) -> None:
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._out.close()
        if self._process is not None:
            with contextlib.suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2)
            self._process.kill()


class OpusTrack:
    """The sound of the output as WebRTC takes it, at the times of what comes in."""

    def __init__(self, out: Any, track: Any) -> None:
        self._decoded = decoded(track.codec_context.extradata)
        self._out = out
        self._stream: Any = out.add_stream("libopus", rate=RATE)
        self._stream.codec_context.layout = "stereo"
        self._stream.codec_context.format = "flt"
        self._stream.codec_context.bit_rate = BITS

    def write(self, packet: Any) -> None:
        for piece in self._decoded(packet):
            for encoded in self._stream.encode(piece):
                self._out.mux_one(encoded)


def _certificate() -> dict[str, str]:
    """A certificate for this connection with a P-256 key.

    FFmpeg's own has an RSA key, which some servers refuse.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "classroomd")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    files = {"cert_file": certificate.public_bytes(pem), "key_file": private}
    return {name: _memory_file(data) for name, data in files.items()}


def _memory_file(data: bytes) -> str:
    """A path that only this process can read; it lasts as long as the process."""
    handle = os.memfd_create("push", os.MFD_CLOEXEC)
    os.write(handle, data)
    os.lseek(handle, 0, os.SEEK_SET)
    return f"/proc/self/fd/{handle}"


def _filled(url: str, secret: str) -> str:
    return url.replace("{secret}", quote(secret, safe="-_.~") if secret else "")


def _srt(url: str, secret: str) -> subprocess.Popen[bytes]:
    """ffmpeg as the SRT sender: PyAV's FFmpeg has no SRT.

    What the address says after its host goes to ffmpeg in a preset file that only this process
    and its child can open, because a command line is for everybody to see.
    """
    parts = urlsplit(url)
    lines = []
    for name, value in parse_qsl(parts.query):
        if not name.replace("_", "").isalnum() or "\n" in value:
            raise PushError(f"SRT option {name!r} is not allowed")
        lines.append(f"{name}={value.replace('{secret}', secret)}\n")
    preset = os.memfd_create("push", 0)
    os.write(preset, "".join(lines).encode())
    os.lseek(preset, 0, os.SEEK_SET)
    command = ["ffmpeg", "-hide_banner", "-loglevel", "quiet", "-fflags", "nobuffer"]
    command += ["-probesize", "500000", "-f", "mpegts", "-i", "pipe:0", "-map", "0", "-c", "copy"]
    command += ["-f", "mpegts", "-flush_packets", "1"]
    command += ["-fpre", f"/proc/self/fd/{preset}"] if lines else []
    command += [f"srt://{parts.hostname}:{parts.port or 9710}"]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[preset])
    except FileNotFoundError:
        raise PushError("SRT needs ffmpeg: install Debian's package ffmpeg") from None
    finally:
        os.close(preset)


def _watch_parent() -> None:
    """Ends this process when the one that started it is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def _open(url: str, secret: str, init: Init) -> Output | Conference:
    return Conference(url, init) if url.startswith(f"{SCHEME}:") else Output(url, secret, init)


def _reported(pieces: Iterator[Init | Sample | None], output: list[Output | Conference]) -> None:
    told, last = 0, 0.0
    for piece in pieces:
        if isinstance(piece, Sample):
            output[0].write(piece)
        now = time.monotonic()
        if now - last >= 1.0:
            last = now
            say("sent", bytes=output[0].sent - told)
            told = output[0].sent


def run(url: str, secret: str, path: Path) -> str:
    """Sends until it fails or the stream changes; returns why."""
    pieces = follow(path)
    init = None
    for piece in pieces:
        if isinstance(piece, Init):
            init = piece
            break
        say("waiting")
    if init is None:
        return "there is nothing to send"
    output = None
    try:
        output = _open(url, secret, init)
        _reported(pieces, [output])
    except PushError as error:
        return str(error)
    except BoxError as error:
        return f"the live file is damaged: {error}"
    except (OSError, ValueError, av.error.FFmpegError) as error:
        return f"{getattr(error, 'strerror', None) or error}"
    finally:
        if output is not None:
            output.close()
    return "the stream has changed; sending begins anew"


def main() -> int:
    """Entry of the child."""
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch_parent, daemon=True).start()
    av.logging.set_level(av.logging.PANIC)
    detail = run(order["url"], order["secret"], Path(order["file"]))
    say("failed", detail=detail)
    return 1


if __name__ == "__main__":
    status = main()
    os._exit(status)

"""Coverage-guided fuzzing of everything that reads bytes from the wire: `make fuzz`.

Arguments are libFuzzer's (`-runs=N`, `-max_total_time=S`, a folder that keeps what was found). The
first two bytes of an input choose the parser, the others are what arrives, cut at 0xF5 0xF5. The
corpus begins with the documented exchanges of every profile. A crash is an exception, a parser that
hangs (five seconds), keeps more than it may, or names a state that the profile does not have.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["devices", "firmware_profiles"]):
    from devices.codec import Codec
    from devices.discovery.pjlink import _ANSWER
    from devices.discovery.wsdiscovery import scope, texts
    from devices.far_end import FarEnd
    from devices.framing import Framer
    from devices.golden import wire
    from devices.onvif.soap import SoapError, body, envelope, fault, parse
    from devices.session_kinds import KINDS
    from devices.sessions import Telnet
    from devices.simulated import SimulatedDevice
    from firmware_profiles.catalog import Catalog
    from firmware_profiles.osc import osc_text
    from firmware_profiles.schema import Profile

CUT = b"\xf5\xf5"
CATALOG = Catalog()
PROFILES = [CATALOG.get(name) for name in CATALOG.names()]
CODECS = {profile.name: Codec(profile, {}) for profile in PROFILES}
Target = Callable[[list[bytes]], None]


def _controller(profile: Profile) -> Target:
    """What a device sends, read by the driver: as an answer to each kind of question in turn."""
    codec, frame = CODECS[profile.name], profile.frame
    stream = bool({"tcp", "serial"} & set(profile.transports.ways()))
    pending = [codec.get(c.name) for c in codec.commands.values() if c.getter]
    pending += [
        codec.set(c.name) for c in codec.commands.values() if c.setter and c.kind == "action"
    ]
    states = {command.state for command in codec.commands.values()}
    names = {state.split("{", 1)[0] for state in states}
    longest = max(framing.max for framing in (frame.rx or frame.tx))

    def run(pieces: list[bytes]) -> None:
        framer = Framer(frame.tx, frame.rx, frame.encoding, datagram=not stream)
        for number, piece in enumerate(pieces):
            for found in framer.feed(piece):
                request = pending[number % len(pending)] if pending else None
                for meaning in (codec.understand(found, request), codec.understand(found, None)):
                    for state in meaning.states:
                        assert state.startswith(tuple(names)), (profile.name, state)
                codec.describe(found)
        framer.resync()
        assert len(framer._buffer) <= longest + max((len(p) for p in pieces), default=0)

    return run


def _device(profile: Profile) -> Target:
    """What anybody sends to a simulated device."""
    way = profile.transports.ways()[0]

    def run(pieces: list[bytes]) -> None:
        device = SimulatedDevice(profile)
        far = FarEnd(device, profile.session_for(way), datagram=way not in ("tcp", "serial"))
        far.open(lambda data: None)
        for piece in pieces:
            far.received(piece)

    return run


def _session(kind: str) -> Target:
    """What a session takes off, after its opening."""
    spec = next(
        p.session_for(way) for p in PROFILES for way in p.transports.ways()
        if p.session_for(way).kind == kind
    )  # fmt: skip

    def run(pieces: list[bytes]) -> None:
        link: Any = SimpleNamespace(lost=None)
        session = KINDS[kind](spec, link, {"password": "x", "username": "u"})
        session.opened()
        for piece in pieces:
            session.received(piece)
        session.wrap(b"x", inquiry=True)

    return run


def _soap(pieces: list[bytes]) -> None:
    try:
        found = body(parse(b"".join(pieces)))
    except SoapError:
        return
    fault(found)
    again = body(parse(envelope(found.short())))
    assert again.short() == found.short()


def _small(pieces: list[bytes]) -> None:
    telnet = Telnet()
    for piece in pieces:
        telnet.feed(piece)
        osc_text(piece)
        _ANSWER.search(piece)
        document = piece.decode("utf-8", "replace")
        scope(texts(document, "Scopes"), "name")


TARGETS: list[Target] = [
    *(_controller(profile) for profile in PROFILES),
    *(_device(profile) for profile in PROFILES),
    *(_session(kind) for kind in sorted(KINDS)),
    _soap,
    _small,
]


def one_input(data: bytes) -> None:
    """One input, as libFuzzer gives it."""
    if len(data) > 2:
        TARGETS[int.from_bytes(data[:2], "big") % len(TARGETS)](data[2:].split(CUT))


def seeds() -> dict[str, bytes]:
    """The documented exchanges, addressed to driver and device of their profile."""
    found: dict[str, bytes] = {}
    for number, profile in enumerate(PROFILES):
        goldens = [golden for evidence in profile.evidence for golden in evidence.golden]
        for at, golden in enumerate(goldens):
            base = f"{profile.name.replace('/', '-')}-{at}"
            if golden.rx:
                rx = CUT.join(wire(profile, text) for text in golden.rx)
                found[f"{base}-rx"] = number.to_bytes(2, "big") + rx
            if golden.tx is not None:
                tx = wire(profile, golden.tx)
                found[f"{base}-tx"] = (number + len(PROFILES)).to_bytes(2, "big") + tx
    return found


def main() -> None:
    """Fuzz until told otherwise; ends the process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in seeds().items():
            (Path(folder) / name).write_bytes(data)
        options = ["-timeout=5", "-max_len=600", "-print_final_stats=1", *sys.argv[1:]]
        own = [word for word in options if not word.startswith("-")]
        flags = [word for word in options if word.startswith("-")]
        atheris.Setup([sys.argv[0], *flags, *own, folder], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

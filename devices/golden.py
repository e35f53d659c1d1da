"""Holds a profile against the exchanges copied from its document, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

from devices.codec import Codec, Request
from devices.framing import Framer
from devices.simulated import SimulatedDevice
from firmware_profiles.messages import TOPIC_END
from firmware_profiles.osc import osc_datagram, osc_text
from firmware_profiles.schema import Golden, Profile


class GoldenError(AssertionError):
    """The profile builds or reads something else than the document shows."""


def check(profile: Profile) -> Iterator[GoldenError]:
    """Every exchange of `profile` that doesn't come out as documented."""
    for evidence in profile.evidence:
        for golden in evidence.golden:
            try:
                check_golden(profile, golden)
            except (GoldenError, ValueError, KeyError) as error:
                label = golden.send or golden.get or golden.report
                yield GoldenError(f"{profile.name}: {evidence.document}: {label}: {error}")


def check_golden(profile: Profile, golden: Golden) -> None:
    """One exchange. Raises GoldenError, ValueError or UnknownCommand."""
    codec = Codec(profile, golden.options)
    request: Request | None = None
    if golden.send is not None:
        name, equals, value = golden.send.partition("=")
        request = codec.set(name, value if equals else None)
    elif golden.get is not None:
        request = codec.get(golden.get)
    elif golden.report is None:
        raise GoldenError("give one of send, get, report")
    if request is not None and golden.tx is not None:
        _check_sent(profile, golden, request)
    for text in golden.rx:
        _check_received(profile, codec, golden, request, wire(profile, text))


def wire(profile: Profile, text: str) -> bytes:
    """The bytes that a golden's `tx` or `rx` stands for."""
    if text.startswith("hex:"):
        return bytes.fromhex(text.removeprefix("hex:"))
    if profile.frame.encoding == "hex" and profile.transports.mqtt is None:
        return bytes.fromhex(text)
    if profile.transports.mqtt is not None:
        topic, _, payload = text.partition(" ")
        return topic.encode() + TOPIC_END + payload.encode()
    if profile.frame.encoding == "osc":
        return osc_datagram(text.encode())
    if profile.transports.http is not None and profile.session_for("http").kind != "onvif":
        words = text.split(" ", 1 if text[:3].isdigit() else 2)
        head, content = (words[:1], words[1:]) if text[:3].isdigit() else (words[:2], words[2:])
        return " ".join(head).encode() + TOPIC_END + "".join(content).encode()
    return text.encode("latin-1")


def _framer(profile: Profile, *, far: bool = False) -> Framer:
    frame, transports = profile.frame, profile.transports
    datagram = transports.serial is None and transports.tcp is None
    if far:
        return Framer(frame.tx, frame.tx, frame.encoding, datagram=datagram)
    return Framer(frame.tx, frame.rx, frame.encoding, datagram=datagram)


def _check_sent(profile: Profile, golden: Golden, request: Request) -> None:
    assert golden.tx is not None
    wanted = wire(profile, golden.tx)
    body = request.body
    made = osc_datagram(body) if profile.frame.encoding == "osc" else _framer(profile).wrap(body)
    if made != wanted:
        raise GoldenError(f"sends {made.hex(' ')}, documented is {wanted.hex(' ')}")
    device = SimulatedDevice(profile, golden.options)
    for read in (
        [osc_text(wanted)]
        if profile.frame.encoding == "osc"
        else _framer(profile, far=True).feed(wanted)
    ):
        if read is None or not device.knows(read):
            raise GoldenError(f"the simulated device doesn't understand {wanted.hex(' ')}")


def _check_received(
    profile: Profile, codec: Codec, golden: Golden, request: Request | None, data: bytes
) -> None:
    if profile.frame.encoding == "osc":
        text = osc_text(data)
        bodies = [] if text is None else [text]
    else:
        bodies = _framer(profile).feed(data)
    if not bodies:
        raise GoldenError(f"no frame found in {data.hex(' ')}")
    for body in bodies:
        meaning = codec.understand(body, request)
        if request is not None and not meaning.answer:
            raise GoldenError(f"{data.hex(' ')} isn't taken as the answer but as {meaning.kind}")
        if request is None and golden.report is not None:
            name, _, value = golden.report.partition("=")
            wanted = codec.commands[name]
            logical = wanted.from_wire(wanted.to_wire(value)) if wanted.setter else value
            if str(meaning.states.get(name)) != str(logical):
                raise GoldenError(f"{data.hex(' ')} is read as {dict(meaning.states)}")
        if golden.value is not None and meaning.states:
            found = next(iter(meaning.states.values()))
            if found != golden.value:
                raise GoldenError(f"{data.hex(' ')} is read as {found!r}, not {golden.value!r}")
        if golden.value is not None and not meaning.states:
            raise GoldenError(f"{data.hex(' ')} is read as {meaning.kind} {meaning.detail}")

"""No bytes from the wire upset a frame parser, and frames survive any cutting and any noise."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.codec import Codec
from devices.framing import Framer, checksum
from devices.sessions import Telnet
from firmware_profiles.catalog import Catalog
from firmware_profiles.schema import Profile
from firmware_profiles.wire import Checksum, Framing, Length

CATALOG = Catalog()
PROFILES = [CATALOG.get(name) for name in CATALOG.names()]


@pytest.mark.parametrize(
    ("kind", "data", "constant", "wanted"),
    [
        ("sum8", "11 01 01 01", 0, "14"),
        ("negsum8", "08 22 00 00 00 02", 0, "D4"),
        ("xor8", "06 01 00 18 02", 0, "1D"),
        ("or8", "17 2E 00 00 00", 0, "3F"),
        ("sum16le", "00 00 FE 00 00 00 00 00 00 00 02 00 00 00 02 00", 0x5555, "57 56"),
    ],
)
def test_documented_check_sums(kind: str, data: str, constant: int, wanted: str) -> None:
    assert checksum(kind, bytes.fromhex(data), constant) == bytes.fromhex(wanted)


FRAMINGS = {
    "length": Framing(
        start="AA", length=Length(at=3, adds=5), checksum=Checksum(kind="sum8", start=1)
    ),
    "end": Framing(end=["FF"]),
    "start, sum and end": Framing(start="01", end=["0D"], checksum=Checksum(kind="xor8", start=1)),
    "fixed": Framing(start="FF", fixed=7, checksum=Checksum(kind="sum8", start=1)),
}
BODIES = {
    "length": st.binary(max_size=50).map(lambda data: bytes([17, 1, len(data)]) + data),
    "end": st.binary(max_size=12).map(lambda data: data.replace(b"\xff", b"\xfe")),
    "start, sum and end": st.binary(min_size=1, max_size=30).map(
        lambda data: data.replace(b"\r", b"\x0e").replace(b"\x01", b"\x02")
    ),
    "fixed": st.binary(min_size=5, max_size=5),
}


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@pytest.mark.parametrize("name", FRAMINGS)
@given(data=st.data())
def test_frames_survive_cutting(name: str, data: st.DataObject) -> None:
    bodies = data.draw(st.lists(BODIES[name], min_size=1, max_size=4))
    framer = Framer([FRAMINGS[name]], [], "hex")
    stream = b"".join(framer.wrap(body) for body in bodies)
    pieces = _cut(stream, data.draw(st.lists(st.integers(0, 10_000), max_size=6)))
    found = [body for piece in pieces for body in framer.feed(piece)]
    assert found == bodies
    assert framer.garbage == 0


@pytest.mark.parametrize("name", ["length", "start, sum and end", "fixed"])
@given(noise=st.binary(max_size=40), data=st.data())
def test_a_frame_is_found_after_noise(name: str, noise: bytes, data: st.DataObject) -> None:
    """At the latest when what looked like a frame's beginning has been given up."""
    if name == "start, sum and end":
        noise = noise.replace(b"\x01", b"")  # two starts are a right xor of nothing
    framer = Framer([FRAMINGS[name]], [], "hex")
    body = data.draw(BODIES[name])
    if name == "fixed":  # noise whose check sum is right by chance is a frame
        sent = noise + framer.wrap(body)
        seven = [sent[at : at + 7] for at in range(len(noise))]
        assume(not any(it[0] == 0xFF and sum(it[1:6]) % 256 == it[6] for it in seven))
    found = framer.feed(noise + framer.wrap(body))
    for _ in range(len(noise) + 1):
        found += framer.resync() if body not in found else []
    assert body in found


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@given(pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_no_bytes_upset_a_profiles_parsers(profile: Profile, pieces: list[bytes]) -> None:
    frame = profile.frame
    framer = Framer(frame.tx, frame.rx, frame.encoding)
    codec = Codec(profile, {})
    pending = next(
        codec.get(command.name) for command in codec.commands.values() if command.getter
    ) if any(c.getter for c in codec.commands.values()) else None  # fmt: skip
    for piece in pieces:
        for body in framer.feed(piece):
            codec.understand(body, pending)
            codec.describe(body)
    framer.resync()
    assert len(framer._buffer) <= max(f.max for f in (frame.rx or frame.tx)) + 300


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_telnet_takes_anything(pieces: list[bytes]) -> None:
    telnet = Telnet()
    for piece in pieces:
        clean, answer = telnet.feed(piece)
        assert len(clean) <= len(piece) + 512
        assert len(answer) % 3 == 0


def test_telnet_refuses_options() -> None:
    telnet = Telnet()
    assert telnet.feed(b"a\xff\xfd\x01b\xff\xfb") == (b"ab", b"\xff\xfc\x01")
    assert telnet.feed(b"\x03c\xff\xffd\xff\xfa\x01xyz\xff\xf0e") == (
        b"c\xffde",
        b"\xff\xfe\x03",
    )


def test_alternatives_by_check_sum() -> None:
    """Sony's two answers differ only in length: the check sum decides."""
    rx = [
        Framing(start="70", fixed=3, checksum=Checksum(kind="sum8")),
        Framing(start="70", length=Length(at=2, adds=3), checksum=Checksum(kind="sum8")),
    ]
    framer = Framer([Framing(start="8C", fixed=5)], rx, "hex")
    assert framer.feed(bytes.fromhex("70 00 70 70 00 02 01 73")) == [
        bytes.fromhex("00"),
        bytes.fromhex("00 02 01"),
    ]


def test_a_check_sum_that_looks_like_the_end() -> None:
    framer = Framer([FRAMINGS["start, sum and end"]], [], "hex")
    body = bytes([0x0C, 0x01 ^ 0x00])  # 0C xor 01 = 0D, the end's value
    framed = framer.wrap(body)
    assert framed.count(b"\r") == 2
    assert framer.feed(framed) == [body]


def test_an_end_may_be_part_of_the_command() -> None:
    """Extron's commands end in the letter that says what they do."""
    framer = Framer([Framing(end=["!", "V", "\r"], keep_end=True)], [], "text")
    assert framer.wrap(b"2!") == b"2!"
    assert framer.feed(b"2!50V\x1bQ\r") == [b"2!", b"50V", b"\x1bQ\r"]

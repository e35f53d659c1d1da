"""Decoding on a device: proven before it is used, given up without losing a picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from recorder import feed
from recorder.engines import decoders
from recorder.engines.picture import VideoTrack
from recorder.sources import generate

S = 1_000_000
URL = "test:presenter?size=160x90&fps=10"


class Breaking:
    """A device's decoder that works like software, one picture behind, until it breaks."""

    def __init__(self, decoder: Any, after: int) -> None:
        self._decoder, self._after, self._held = decoder, after, []  # type: ignore[var-annotated]

    def decode(self, packet: Any) -> list[Any]:
        self._after -= 1
        if self._after < 0:
            raise av.error.ExternalError(1, "the device is gone")
        self._held += self._decoder.decode(packet)
        ready = len(self._held) if packet is None else max(0, len(self._held) - 1)
        out, self._held = self._held[:ready], self._held[ready:]
        return out


def shown(track: VideoTrack, packets: list[feed.FeedPacket]) -> list[int]:
    """The times of all pictures, in the order in which they would be shown."""
    track.wanted = True
    for packet in packets:
        track.push(packet)
    times = []
    for t in range(0, 5 * S, 20_000):
        if track.advance(t, flush=t > 4 * S) and track.frame is not None:
            times.append(track.frame.pts or 0)
    return times


@pytest.mark.parametrize("after", [0, 1, 9, 10, 11, 12, 13, 25, 40])
def test_software_takes_over_and_no_picture_is_lost(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, packets = generate.clip(URL, "cam", "presenter", 0, 0, 4 * S)
    wanted = shown(VideoTrack(info), packets)
    assert len(wanted) == len(packets) == 40
    software = decoders.open_decoder

    def breaking(codec: str, header: bytes, *, coarse: bool = False, device: Any = None) -> Any:
        found = software(codec, header, coarse=coarse)
        return Breaking(found, after) if device else found

    monkeypatch.setattr(decoders, "open_decoder", breaking)
    track = VideoTrack(info, "cuda")
    assert shown(track, packets) == wanted
    assert track.device is None


def test_a_device_that_does_not_open_is_given_up_at_once() -> None:
    info, packets = generate.clip(URL, "cam", "presenter", 0, 0, S)
    track = VideoTrack(info, "no such device")
    assert len(shown(track, packets)) == 10
    assert track.device is None


def test_a_device_is_believed_only_after_a_child_has_decoded_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "recorder.engines.decoders", "no such device"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr
    node = tmp_path / "node"
    node.touch()
    monkeypatch.setattr(decoders, "DEVICES", {"cuda": str(node)})
    monkeypatch.setattr(decoders, "works", lambda device: False)
    assert decoders.choose() is None
    monkeypatch.setattr(decoders, "works", lambda device: True)
    assert decoders.choose() == "cuda"
    node.unlink()
    assert decoders.choose() is None


def test_the_proof_compares_with_software(monkeypatch: pytest.MonkeyPatch) -> None:
    software = decoders.open_decoder

    class Stuck:
        """Gives its first picture again and again."""

        def __init__(self, decoder: Any) -> None:
            self._decoder, self._first = decoder, None

        def decode(self, packet: Any) -> list[Any]:
            frames = self._decoder.decode(packet)
            self._first = self._first or frames[0]
            return [self._first] * len(frames)

    def on_device(codec: str, header: bytes, *, coarse: bool = False, device: Any = None) -> Any:
        found = software(codec, header)
        return Stuck(found) if device == "stuck" else found

    monkeypatch.setattr(decoders, "open_decoder", on_device)
    assert decoders.prove("exact") > 50
    assert decoders.prove("stuck") < 30

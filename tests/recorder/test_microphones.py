"""Several microphones, several channels: which of them are heard, and that it is told."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from recorder.feeds import heard
from recorder.pick import picked
from recorder.recording import Life, SourceSpec
from recorder.sources.child import SourceError
from recorder.sources.coded import SoundCapture
from recorder.sources.device import Device
from recorder.sources.open import parse

RATE = 48_000
LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0"}


def speech(seconds: float, hertz: float, level: float, *, from_: float = 0.0) -> Any:
    """A tone in syllables, silent before `from_`."""
    t = np.arange(round(seconds * RATE)) / RATE
    rhythm = (np.sin(2 * np.pi * 3 * t) > 0) * (t >= from_)
    noise = np.random.default_rng(round(hertz)).normal(0, 1e-4, len(t))
    return (np.sin(2 * np.pi * hertz * t) * rhythm * level + noise).astype(np.float32)


def write_sound(path: Path, channels: Sequence[Any]) -> Path:
    """An AAC file with these channels (samples at RATE)."""
    sound, layout = np.stack(channels), LAYOUTS[len(channels)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE)
        stream.codec_context.layout = layout
        for first in range(0, sound.shape[1] - 1023, 1024):
            block = np.ascontiguousarray(sound[:, first : first + 1024])
            frame = AudioFrame.from_ndarray(block, "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def strength(path: Path, hertz: float, begin: float, end: float) -> float:
    """How strong a tone is in the lecture between two seconds, in dB."""
    with av.open(str(path)) as container:
        parts: list[Any] = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate(parts, axis=1).mean(axis=0)[round(begin * RATE) : round(end * RATE)]
    t = np.arange(len(sound)) / RATE
    return float(20 * np.log10(np.abs(np.mean(sound * np.exp(-2j * np.pi * hertz * t))) + 1e-9))


async def test_a_second_microphone_takes_over_when_the_first_is_silent(
    hold_class: Callable[..., Any], tmp_path: Path
) -> None:
    first = speech(14, 400, 0.3)
    first[5 * RATE :] = 0  # its battery is empty
    lectern = write_sound(tmp_path / "lectern.mp4", [first])
    ceiling = write_sound(tmp_path / "ceiling.mp4", [speech(14, 900, 0.02)])
    made = hold_class(f"microphone=file:{lectern}", f"microphone:ceiling=file:{ceiling}")
    await made.start(program=True)

    def told() -> list[Any]:  # the one that delivered first may have been heard for a moment
        found = [m for m in made.recording.markers() if m.kind == "microphone"]
        return [m for m in found if m.data["source"] == "ceiling"]

    [marker] = await made.until(told, "the take-over")
    assert marker.data == {"source": "ceiling", "instead_of": "microphone"}
    await made.until(lambda: made.status.duration_s > marker.t + 2.5, "some more")
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and set(manifest.measured["microphones"]) == {
        "microphone",
        "ceiling",
    }
    assert len(told()) == 1
    start = manifest.tracks["microphone"]["from_s"]
    lecture = made.recording.lecture
    before, after = (start + 1, start + 4), (marker.t + 0.5, marker.t + 2)
    assert strength(lecture, 400, *before) > strength(lecture, 900, *before) + 10
    assert strength(lecture, 900, *after) > strength(lecture, 400, *after) + 10


async def test_the_channels_that_are_chosen_are_heard(
    hold_class: Callable[..., Any], tmp_path: Path
) -> None:
    tones = [speech(8, hertz, 0.2) for hertz in (300, 500, 700, 1100)]
    desk = write_sound(tmp_path / "desk.mp4", tones)
    made = hold_class(f"microphone=file:{desk}", channel=3)
    await made.start(program=True)
    await made.running("microphone")
    await made.until(lambda: made.status.duration_s > 4, "four seconds")
    await made.finish()
    heard_, unheard = (strength(made.recording.lecture, hertz, 1.5, 3.5) for hertz in (700, 300))
    assert heard_ > unheard + 30
    [stream] = made.recording.manifest.tracks["microphone"]["streams"]
    assert stream["channels"] == 4  # the track keeps what came


def test_channels_are_picked_from_any_kind_of_frame() -> None:
    sound = np.arange(40, dtype=np.int16).reshape(4, 10)
    packed = AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "s16", "4.0")
    planar = AudioFrame.from_ndarray(sound.astype(np.float32), "fltp", "4.0")
    for frame in (packed, planar):
        frame.sample_rate = RATE
        assert (picked(frame, (3,)).to_ndarray() == sound[2]).all()
        assert (picked(frame, (4, 1)).to_ndarray() == sound[[3, 0]]).all()
        assert picked(frame, (9,)) is frame and picked(frame, ()) is frame


def test_a_capture_keeps_the_chosen_channels_and_the_mixer_then_takes_all() -> None:
    spec = SourceSpec(id="x", role="microphone", url="alsa://hw:1?channels=8", channel=[3, 4])  # type: ignore[arg-type]
    assert heard(spec) == ()
    assert parse(spec.url, spec.channel).url == "alsa://hw:1?channels=8&channel=3,4"
    device = Device.parse("alsa://hw:1?channels=8&channel=3,4")
    assert device.channel == (3, 4) and device.options["channels"] == "8"
    assert Device.parse("pulse://desk?channels=4&channel=2").channel == (2,)
    with pytest.raises(SourceError, match="one number from 1 to 64, or two"):
        Device.parse("alsa://hw:1?channel=1,2,3")
    capture = SoundCapture("x", "microphone", 8, (3, 4))
    sound = np.zeros((4800, 8), np.int16)
    sound[:, 2] = 9000
    frame = AudioFrame.from_ndarray(sound.reshape(1, -1), "s16", "7.1")
    frame.sample_rate = RATE
    assert capture.packets(frame, 1_000_000) and capture.info.channels == 2


def test_a_source_names_one_channel_or_two() -> None:
    def channel(value: Any) -> tuple[int, ...]:
        return SourceSpec(id="x", role="microphone", url="alsa://hw:1", channel=value).channel

    assert channel(2) == (2,) and channel([5, 6]) == (5, 6)
    for wrong in (0, [1, 2, 3], "left"):
        with pytest.raises(ValueError):
            channel(wrong)

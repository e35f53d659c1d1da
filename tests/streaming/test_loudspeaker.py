"""The room hears who speaks from elsewhere, and their page is told when it does not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

import av
import numpy as np
from av.audio.frame import AudioFrame
from pydantic import ValidationError
from sharing import until
from sounding import needs_pulse
from talking import RATE, Microphone, Talking, raised, speaks

from controller.config import ConfigError
from controller.config import parse as parse_config
from controller.live_settings import TalkSection
from streaming import loudspeaker, talk


def test_outputs_are_checked_and_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for good in ("pulse://", "pulse://alsa_output.pci-0.analog", "alsa://plughw:CARD=USB,DEV=0"):
        assert TalkSection(output=good).output == good
    for wrong in ("", "pulse:room", "alsa://", "alsa://-x", "file:///x", "pulse://a b"):
        with pytest.raises(ValidationError):
            TalkSection(output=wrong)
    room = '[room]\nid = "a"\nname = "A"\n[streaming.talk]\nenabled = true\n'
    with pytest.raises(ConfigError, match=r"streaming\.talk\.enabled: nobody would hear"):
        parse_config(room, tmp_path / "room.toml")
    voice = '[[sources]]\nid = "voice"\nrole = "microphone"\nurl = "webrtc://talk"\n'
    assert parse_config(room + voice, tmp_path / "room.toml").streaming.talk.enabled
    assert parse_config(room + 'output = "pulse://"', tmp_path / "room.toml")
    monkeypatch.setenv("PATH", "")
    assert "apt-get install ffmpeg" in talk.problems(True, "alsa://default")[-1]
    assert talk.problems(False, "alsa://default") == []


needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None or not Path("/usr/share/alsa/alsa.conf").is_file(),
    reason="ffmpeg or ALSA is not installed: apt-get install ffmpeg",
)


def tone(data: bytes) -> bool:
    """Whether stereo of 16 bits holds a tenth of a second of the whistle, and no other tone."""
    sound = np.frombuffer(data[: len(data) // 4 * 4], np.int16)[::2].astype(float)
    for start in range(0, len(sound) - RATE // 10, RATE // 20):
        part = sound[start : start + RATE // 10]
        if np.abs(part).mean() > 1000:
            return abs(float(np.abs(np.fft.rfft(part)).argmax()) * 10 - 500) < 30
    return False


@needs_ffmpeg
async def test_an_alsa_device_plays_it_and_one_that_fails_is_told(
    talking: Callable[..., Talking],
    microphone: Callable[[], Microphone],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = tmp_path / "played.raw"
    (tmp_path / "asound.conf").write_text(
        f'pcm.hall {{ type file\n slave.pcm "null"\n file "{played}"\n format "raw" }}'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", f"/usr/share/alsa/alsa.conf:{tmp_path / 'asound.conf'}")
    here = talking("alsa://hall")
    assert here.room.heard
    one = raised(here.room)
    here.room.admit(one.hand.id)
    await speaks(here.room, one, microphone())
    await until(lambda: here.trouble == [""])
    await until(lambda: tone(played.read_bytes()))
    await here.room.stop()
    other = talking("alsa://nowhere")
    two = raised(other.room)
    other.room.admit(two.hand.id)
    await speaks(other.room, two, microphone())
    await until(lambda: other.trouble)
    assert other.trouble[0]
    assert not other.room.heard  # and the page says so
    assert two.hand.state == "speaking"  # it is recorded all the same


@needs_pulse
async def test_a_sink_plays_it_and_an_output_that_comes_back_is_used_again(
    sound_server: None,
    talking: Callable[..., Talking],
    microphone: Callable[[], Microphone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = talking("pulse://hall")
    one = raised(here.room)
    here.room.admit(one.hand.id)
    await speaks(here.room, one, microphone())
    await until(lambda: here.trouble and here.trouble[-1])  # there is no such sink yet
    load = await asyncio.create_subprocess_exec(
        *("pactl", "load-module", "module-null-sink", "sink_name=hall", "rate=48000"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await load.wait() == 0
    await until(lambda: here.trouble[-1] == "")
    assert here.room.heard
    listener = await asyncio.create_subprocess_exec(
        *("parec", "--device=hall.monitor", "--raw", "--format=s16le", "--rate=48000"),
        *("--channels=2", "--latency-msec=50"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert listener.stdout
    heard = b""
    try:
        async with asyncio.timeout(30):
            while not tone(heard):
                heard += await listener.stdout.readexactly(19_200)
    finally:
        listener.kill()
        await listener.wait()


async def test_an_output_that_hangs_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loudspeaker, "STUCK_S", 0.2)
    monkeypatch.setattr(loudspeaker, "player", lambda _: ["sleep", "60"])
    monkeypatch.setattr(loudspeaker, "problems", lambda _: [])
    told: list[str] = []
    speaker = loudspeaker.Loudspeaker("pulse://", told.append)
    encoder: Any = loudspeaker_opus()

    async def play() -> None:
        while not told:
            for packet in encoder():
                speaker.put(packet)
            await asyncio.sleep(0.01)

    await asyncio.wait_for(play(), 30)
    assert told == ["the output ended"]
    await asyncio.to_thread(speaker.close)


def loudspeaker_opus() -> Callable[[], list[bytes]]:
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "stereo", "s16"

    def encode() -> list[bytes]:
        frame = AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "stereo")
        frame.sample_rate = RATE
        return [bytes(packet) for packet in encoder.encode(frame)]

    return encode

"""Capture cards and sound cards as the kernel shows them, pulled out in class and put back."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
import pytest

from recorder.recording import Life
from recorder.salvage import verify

CAMERA = "presenter=v4l2:///dev/video0?size=320x180&fps=5"
MICROPHONE = "microphone=alsa://hw:0,1?channels=2"


@pytest.fixture
def tone() -> Iterator[None]:
    """A tone of 1 kHz on the left, 500 Hz on the right, at the other end of the loop."""
    sound = "aevalsrc=0.3*sin(2*PI*1000*t)|0.3*sin(2*PI*500*t):s=48000"
    command = ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", sound]
    command += ["-ac", "2", "-c:a", "pcm_s16le", "-f", "alsa", "hw:0,0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as player:
        yield
        player.kill()


def strongest(path: Any) -> float:
    """The frequency (Hz) that a track's sound holds most of, and that it is not silence."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        rate = container.streams.audio[0].rate
    sound = np.concatenate(frames, axis=1)[0]
    assert np.abs(sound).max() > 0.1
    return float(np.argmax(np.abs(np.fft.rfft(sound))) * rate / sound.size)


async def test_a_capture_card_is_recorded(hold_class: Callable[..., Any], tools: Any) -> None:
    made = hold_class(CAMERA)
    await made.start()
    await made.running("presenter")
    began = made.status.duration_s
    await made.until(lambda: made.status.duration_s > began + 4, "four seconds")
    await made.finish()
    times = [at for at, _ in tools.packets(made.recording.track("presenter"))]
    assert len(times) >= 10 and times == sorted(times)
    assert verify(made.folder, decode=True).sound


async def test_a_capture_card_that_is_pulled_out_comes_back_in_the_same_lecture(
    hold_class: Callable[..., Any], tools: Any, plug: Callable[[str, bool], None]
) -> None:
    made = hold_class(CAMERA)
    await made.start()
    await made.running("presenter")
    plug("vivid", False)
    await made.until(lambda: made.status.sources["presenter"].state == "lost", "the loss")
    gone = made.status.duration_s
    await made.until(lambda: made.status.duration_s > gone + 2, "two seconds without it")
    plug("vivid", True)
    await made.until(lambda: made.status.sources["presenter"].state == "running", "its return")
    back = made.status.duration_s
    await made.until(lambda: made.status.duration_s > back + 2, "two seconds with it")
    await made.finish()
    times = [at for at, _ in tools.packets(made.recording.track("presenter"))]
    assert min(times) < gone and max(times) > back
    assert [m for m in made.recording.markers() if m.kind == "gap"]
    assert made.recording.manifest.life is Life.READY
    assert verify(made.folder, decode=True).sound


@pytest.mark.usefixtures("tone")
@pytest.mark.parametrize(("channel", "hz"), [("1", 1000), ("2", 500)])
async def test_a_sound_card_is_recorded_and_its_channel_chosen(
    hold_class: Callable[..., Any], channel: str, hz: float
) -> None:
    made = hold_class(f"{MICROPHONE}&channel={channel}")
    await made.start()
    await made.running("microphone")
    await made.until(lambda: made.status.sources["microphone"].bytes > 30_000, "three seconds")
    await made.finish()
    [path] = made.recording.track("microphone").glob("*.m*")
    assert strongest(path) == pytest.approx(hz, abs=5)


@pytest.mark.usefixtures("tone")
async def test_a_sound_card_that_is_pulled_out_takes_nothing_else_with_it(
    hold_class: Callable[..., Any], tools: Any, plug: Callable[[str, bool], None]
) -> None:
    made = hold_class(MICROPHONE, "audience=test:static?size=320x180")
    await made.start()
    await made.running("microphone", "audience")
    plug("snd_aloop", False)
    await made.until(lambda: made.status.sources["microphone"].state == "lost", "the loss")
    gone = made.status.duration_s
    plug("snd_aloop", True)
    await made.until(lambda: made.status.sources["microphone"].state == "running", "its return")
    await made.until(lambda: made.status.duration_s > gone + 5, "five seconds more")
    await made.finish()
    assert max(at for at, _ in tools.packets(made.recording.track("audience"))) > gone + 2
    assert verify(made.folder, decode=True).sound

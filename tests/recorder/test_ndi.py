"""NDI: a real sender, where its library is installed; a clear word where it is not."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.sources import ndi
from recorder.sources.child import SourceError, boottime_us
from recorder.sources.open import parse

CAMERA = Path(__file__).with_name("ndi_camera.py")
MISSING = importlib.util.find_spec("cyndilib") is None


def test_addresses() -> None:
    found = ndi.Address.parse("ndi://STUDIO%20(Camera%201)?channel=3,4")
    assert found == ndi.Address("STUDIO (Camera 1)", (3, 4))
    assert parse("ndi://x", (2,)).url == "ndi://x?channel=2"
    for url, said in (
        ("ndi://", "names no sender"),
        ("ndi://x?size=1", "size is not known"),
        ("ndi://x?channel=left", "channel is one number"),
    ):
        with pytest.raises(SourceError, match=said):
            ndi.Address.parse(url)


def test_without_its_library_it_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyndilib", None)
    with pytest.raises(SourceError, match="pip install cyndilib"):
        ndi._library("ndi://x")


def test_the_clock_of_a_sender_may_show_anything() -> None:
    stamps, hours = ndi.Stamps(), 7200.0
    for number in range(50):
        at = stamps.boottime(hours + number / 25)
        assert abs(at - boottime_us()) < 3_000_000
    assert abs(ndi.Stamps().boottime(9.2e11) - boottime_us()) < 100_000


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its name; sender and receiver look for each other on this machine alone."""
    if MISSING:
        pytest.skip("NDI is not tested: cyndilib is not installed")
    networks = {"networks": {"ips": "127.0.0.1,"}, "adapters": {"allowed": ["127.0.0.1"]}}
    (tmp_path / "ndi-config.v1.json").write_text(json.dumps({"ndi": networks}))
    monkeypatch.setenv("NDI_CONFIG_DIR", str(tmp_path))
    camera = subprocess.Popen([sys.executable, str(CAMERA), "front"])
    yield "front"
    camera.kill()
    camera.wait()


async def test_a_sender_is_recorded(
    hold_class: Callable[..., Any], tools: Any, sender: str
) -> None:
    made = hold_class(f"presenter=ndi://{sender}")
    await made.start()
    await made.running("presenter")
    begun = made.status.duration_s
    await made.until(lambda: made.status.duration_s > begun + 3, "some seconds")
    await made.finish()
    folder = made.recording.track("presenter")
    for kind in ("video", "audio"):
        # NDI leaves out what a busy machine does not take in time: only that it goes on is sure.
        times = sorted(at for at, _ in tools.packets(folder, kind))
        assert times[-1] - times[0] > 1.5, kind
    streams = made.recording.manifest.tracks["presenter"]["streams"]
    assert {stream["media"] for stream in streams} == {"video", "audio"}
    newest = max(folder.glob("*.m*"))
    assert {(f.width, f.height) for f in tools.pictures(newest)} == {(320, 180)}

"""A device that is plugged in is tried at once."""

import threading
from pathlib import Path

import pytest

from recorder.sources import plugged


@pytest.mark.parametrize("folder", ["v4l", "v4l/by-id"])
def test_a_new_device_ends_the_waiting(tmp_path: Path, folder: str) -> None:
    """Its folder may come with it."""
    (tmp_path / "v4l").mkdir()
    url = f"v4l2://{tmp_path / folder}/camera%201?fps=25"
    found: list[bool] = []
    waiting = threading.Thread(
        target=lambda: found.append(plugged.wait(threading.Event(), 60.0, url))
    )
    waiting.start()
    (tmp_path / folder).mkdir(exist_ok=True)
    for number in range(1000):  # the first may have been there before it looked
        if not waiting.is_alive():
            break
        (tmp_path / folder / f"camera {number}").touch()
        waiting.join(0.1)
    assert found == [True]


def test_others_wait_as_they_always_did() -> None:
    assert plugged.present("rtsp://camera/1") is None
    assert plugged.present("v4l2:///nowhere/video0") == frozenset()
    awake = threading.Event()
    awake.set()
    assert plugged.wait(awake, 60.0, "rtsp://camera/1") is False
    assert plugged.wait(awake, 60.0, "v4l2:///dev/video0") is False

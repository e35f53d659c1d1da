"""A camera that dies, freezes, comes back with another picture, or whose network is cut costs its
own track only, and no more than what it did not send."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recorder.recording import Life
from recorder.salvage import verify
from recorder.segments import segment_files

TRACKS = ("presenter", "microphone")


def state(made: Any) -> str:
    return str(made.status.sources["presenter"].state)


async def end(made: Any, struck: Any) -> None:
    """Ends the class; the microphone never noticed, and what the camera did not send is marked."""
    await made.finish()
    assert made.recording.manifest.life is Life.READY
    struck.judge()
    gaps = [m.data["source"] for m in made.recording.markers() if m.kind == "gap"]
    assert set(gaps) <= {"presenter"}
    # A camera that dies in mid-sentence leaves its own last packet torn, and nothing else.
    assert not [p for p in verify(made.folder, decode=True).problems if "microphone" in p]
    assert verify(made.folder).sound


@pytest.mark.parametrize("fault", ["killed", "frozen", "other size"])
async def test_a_camera(
    hold_class: Callable[..., Any],
    camera: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    repeat: int,
    fault: str,
) -> None:
    eye = camera("--sound", "none")
    made = hold_class(f"presenter={eye.url}", "microphone=test:speech")
    struck = strikes(made, *TRACKS)
    await made.start()
    await made.running(*TRACKS)
    for number in range(repeat):
        await struck.settled()
        await moment()
        before = len(segment_files(made.recording.track("presenter")))
        struck.now(f"camera {fault}", hit="presenter")
        if fault == "frozen":
            eye.signal(signal.SIGSTOP)
        else:
            eye.kill()
        await made.until(lambda: state(made) == "lost", "the loss")
        if fault == "frozen":
            eye.kill()
        size = ("640x360", "320x180")[number % 2] if fault == "other size" else "320x180"
        eye.start("--sound", "none", "--size", size)
        await made.say("retry", source="presenter")
        await made.until(
            lambda before=before: (
                state(made) == "running"
                and len(segment_files(made.recording.track("presenter"))) > before
            ),
            "its return",
        )
        await struck.over()
    await end(made, struck)


@pytest.fixture
def island(tmp_path: Any) -> Iterator[tuple[list[str], str, str]]:
    """A network namespace with one link to it: how to run there, its address, the link's name."""
    name = f"cr{os.getpid() % 100000}"
    address = f"10.231.{os.getpid() % 250}"
    steps = [
        f"ip netns add {name}",
        f"ip link add {name} type veth peer name eth0 netns {name}",
        f"ip addr add {address}.1/24 dev {name}",
        f"ip link set {name} up",
        f"ip -n {name} addr add {address}.2/24 dev eth0",
        f"ip -n {name} link set eth0 up",
        f"ip -n {name} link set lo up",
    ]
    try:
        for step in steps:
            try:
                subprocess.run(step.split(), check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                pytest.skip("a network of its own needs root, iproute2 and namespaces")
        yield ["ip", "netns", "exec", name], f"{address}.2", name
    finally:
        subprocess.run(["ip", "link", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


async def test_the_network_is_cut(
    hold_class: Callable[..., Any],
    camera: Callable[..., Any],
    island: tuple[list[str], str, str],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    repeat: int,
) -> None:
    inside, address, link = island
    eye = camera("--sound", "none", "--host", address, prefix=inside, host=address)
    made = hold_class(f"presenter={eye.url}", "microphone=test:speech")
    struck = strikes(made, *TRACKS)
    await made.start()
    await made.running(*TRACKS)
    for _ in range(repeat):
        await struck.settled()
        await moment()
        struck.now("network cut", hit="presenter")
        subprocess.run(["ip", "link", "set", link, "down"], check=True)
        await made.until(lambda: state(made) == "lost", "the loss")
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        await made.say("retry", source="presenter")
        await made.until(lambda: state(made) == "running", "its return")
        await struck.over()
    await end(made, struck)

"""mDNS against a program that others wrote: Avahi.

The machine's own daemon serves where one runs; otherwise one is started here, as root, on a bus of
its own and on the loopback only.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.discovery import mdns
from devices.discovery.found import DiscoveryConfig

PROGRAMS = ("avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)}: not here")

AVAHI = """\
[server]
host-name=classroomd-test
allow-interfaces=lo
use-ipv6=no
"""


@pytest.fixture
def avahi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A daemon runs, and Avahi's programs find it."""
    if subprocess.run(["avahi-daemon", "--check"], check=False, timeout=20).returncode == 0:
        yield
        return
    if os.geteuid() != 0:
        pytest.skip("no avahi-daemon runs, and only root can start one")
    config, bus = tmp_path / "avahi.conf", f"unix:path={tmp_path / 'bus'}"
    config.write_text(AVAHI)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
    freely = ("--no-drop-root", "--no-chroot", "--no-rlimits", "--no-proc-title")
    daemons = {
        b"unix:": ("dbus-daemon", "--session", "--nofork", "--print-address", f"--address={bus}"),
        b"startup complete": ("avahi-daemon", f"--file={config}", *freely),
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        for ready, daemon in daemons.items():
            log = tmp_path / f"{daemon[0]}.log"
            with log.open("wb") as out:
                running.append(subprocess.Popen(daemon, stdout=out, stderr=subprocess.STDOUT))
            end = time.monotonic() + 20
            while ready not in log.read_bytes():
                assert running[-1].poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        for process in reversed(running):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


async def _browse() -> list[list[str]]:
    """Avahi's lines about this room: …, name, type, domain, host, address, port, text."""
    browse = await asyncio.create_subprocess_exec(
        "avahi-browse", "-rpt", "_classroomd._tcp", stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            said, _ = await browse.communicate()
    finally:
        if browse.returncode is None:
            browse.kill()
            await browse.wait()
    lines = [line.split(";") for line in said.decode().splitlines() if line.startswith("=")]
    return [line for line in lines if line[3] == "avahi-sees-this"]


@pytest.mark.usefixtures("avahi")
async def test_avahi_sees_this_room_until_it_says_goodbye() -> None:
    told = {"room": "B12", "version": "0"}
    room = mdns.Announcement("avahi-sees-this", 8080, told, ["127.0.0.1"])
    await room.start()
    try:
        [[*_, address, port, text]] = await _browse()
    finally:
        await room.stop()
    assert (address, port) == ("127.0.0.1", "8080")
    assert sorted(text.split()) == ['"room=B12"', '"version=0"']
    async with asyncio.timeout(20):  # a goodbye leaves a second; without one it would be an hour
        while await _browse():  # noqa: ASYNC110 - a question each time
            await asyncio.sleep(0.2)


@pytest.mark.usefixtures("avahi")
async def test_we_see_what_avahi_publishes() -> None:
    text = ("gen=2", "app=Plus1", "ver=1.4.4")
    publish = await asyncio.create_subprocess_exec(
        "avahi-publish", "-s", "shellyplus1-avahi", "_shelly._tcp", "8081", *text,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert publish.stderr is not None
        async with asyncio.timeout(20):
            while b"Established" not in (line := await publish.stderr.readline()):
                assert line, "avahi-publish ended"
        config = DiscoveryConfig(seconds=4.0, interfaces=["127.0.0.1"])
        found = {one.name: one async for one in mdns.discover(config)}
    finally:
        publish.kill()
        await publish.wait()
    plus = found["shellyplus1-avahi"]
    assert (plus.transport, plus.profile) == ("http://127.0.0.1:8081", "shelly/gen2-http")
    assert (plus.vendor, plus.model, plus.firmware) == ("Shelly", "Plus1", "1.4.4")

"""OSC mixers against programs that others wrote: xair-api's client, liblo's oscsend and oscdump."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from devices.model import DeviceSpec

Start = Callable[..., str]


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


async def test_xair_api_against_our_mixer(simulator: Start, manage: Any, until: Any) -> None:
    xair_api = pytest.importorskip("xair_api", reason="xair-api isn't installed")
    address = simulator("behringer/xair", "--port", "0")
    manager = await manage(DeviceSpec(id="mixer", profile="behringer/xair", transport=address))
    await until(manager, "mixer", lambda s: "mute" in s.values)
    wanted = (False, True, pytest.approx(0.0, abs=0.3))

    def use() -> tuple[Any, ...]:
        remote = xair_api.connect(
            "XR18", ip="127.0.0.1", port=_port(address), delay=0.3, connect_timeout=30
        )
        with remote as mixer:
            mixer.lr.mix.fader = 0.0  # dB
            mixer.lr.mix.on = False
            mixer.strip[2].mix.on = True
            for _ in range(40):  # it gives what has come after its delay, old or new
                seen = mixer.lr.mix.on, mixer.strip[2].mix.on, mixer.lr.mix.fader
                if seen == wanted:
                    break
        mixer.server.server_close()
        mixer.worker.join(20)
        assert not mixer.worker.is_alive()
        return seen

    assert await asyncio.to_thread(use) == wanted
    await manager.send("mixer", "volume", 50)
    state = await until(
        manager, "mixer", lambda s: s.values.get("mute") is True and s.values.get("volume") == 50
    )
    assert state.values["mute"] is True


@pytest.mark.skipif(shutil.which("oscsend") is None, reason="liblo-tools are not here")
async def test_oscsend_moves_our_mixer(simulator: Start, manage: Any, until: Any) -> None:
    address = simulator("behringer/x32", "--port", "0")
    manager = await manage(DeviceSpec(id="mixer", profile="behringer/x32", transport=address))
    await until(manager, "mixer", lambda s: "volume" in s.values)
    sent = ["oscsend", "127.0.0.1", str(_port(address)), "/main/st/mix/fader", "f", "0.75"]
    await asyncio.to_thread(subprocess.run, sent, check=True, timeout=20)
    manager._drivers["mixer"]._reader.soon()
    await until(manager, "mixer", lambda s: s.values.get("volume") == 75)


@pytest.mark.skipif(shutil.which("oscdump") is None, reason="liblo-tools are not here")
async def test_oscdump_reads_what_we_send(free_port: int, manage: Any) -> None:
    dump = await asyncio.create_subprocess_exec(
        "oscdump", "-L", str(free_port), stdout=asyncio.subprocess.PIPE
    )
    try:
        await _listens(dump, free_port)
        manager = await manage(
            DeviceSpec(
                id="mixer", profile="behringer/x32", transport=f"osc://127.0.0.1:{free_port}"
            )
        )
        assert dump.stdout is not None
        said = ""
        async with asyncio.timeout(30):
            await asyncio.gather(
                *(
                    manager.send("mixer", command, value, wait=False)
                    for command, value in (("volume", 75), ("mute", True), ("preset_recall", 7))
                )
            )
            while not all(
                word in said for word in ("/xremote", "/main/st/mix/on i 0", "/-action/goscene i 7")
            ):
                said += (await dump.stdout.readline()).decode()
        assert "/main/st/mix/fader f 0.75" in said
    finally:
        dump.kill()
        await dump.wait()


async def _listens(dump: asyncio.subprocess.Process, port: int) -> None:
    """Until oscdump has its port, what is sent there is lost."""
    assert dump.stdout is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        first = asyncio.create_task(dump.stdout.readline())
        async with asyncio.timeout(30):
            while not first.done():
                sock.sendto(b"/there\0\0,\0\0\0", ("127.0.0.1", port))
                await asyncio.wait({first}, timeout=0.05)

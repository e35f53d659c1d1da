"""OSC mixers against programs that others wrote: xair-api's client, liblo's oscsend and oscdump."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
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
    threads = threading.active_count()

    def use() -> tuple[Any, ...]:
        remote = xair_api.connect("XR18", ip="127.0.0.1", port=_port(address), delay=0.3)
        with remote as mixer:
            mixer.lr.mix.fader = 0.0  # dB
            mixer.lr.mix.on = False
            mixer.strip[2].mix.on = True
            seen = mixer.lr.mix.on, mixer.strip[2].mix.on, mixer.lr.mix.fader
            mixer.worker.join(0)
        mixer.server.server_close()
        return seen

    on, strip, level = await asyncio.to_thread(use)
    assert (on, strip) == (False, True)
    assert level == pytest.approx(0.0, abs=0.3)
    await manager.send("mixer", "volume", 50)
    state = await until(
        manager, "mixer", lambda s: s.values.get("mute") is True and s.values.get("volume") == 50
    )
    assert state.values["mute"] is True
    assert threading.active_count() < threads + 5  # the peer's are gone with it


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

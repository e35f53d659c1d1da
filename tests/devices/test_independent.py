"""Simulated devices against clients that others wrote: they agree on the wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiopjlink
import pytest
from samsung_mdc import MDC
from samsung_mdc.exceptions import MDCTLSAuthFailed
from visca_over_ip import Camera

from firmware_profiles.catalog import Catalog

MDC_COMMAND = str(Path(sys.executable).with_name("samsung-mdc"))


def _mdc(*arguments: str) -> str:
    done = subprocess.run(
        [MDC_COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_samsung_mdc_over_tcp(simulator: Any) -> None:
    host, port = (
        simulator("samsung/mdc", "--port", "0", "--time-scale", "100").split("//")[1].split(":")
    )
    async with MDC(f"{host}:{port}") as display:
        assert (await display.power(1))[0].name == "OFF"
        await display.power(1, ["ON"])
        async with asyncio.timeout(20):
            while (await display.power(1))[0].name != "ON":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        assert await display.volume(1, [42]) == (42,)
        assert await display.volume(1) == (42,)
        await display.input_source(1, ["DISPLAY_PORT_1"])
        assert (await display.input_source(1))[0].name == "DISPLAY_PORT_1"
        assert (await display.mute(1, ["ON"]))[0].name == "ON"
        assert await display.model_name(1) == ("simulated",)


async def test_samsung_mdc_inside_tls(simulator: Any) -> None:
    address = simulator(
        "samsung/mdc-tls", "--port", "0", "--option", "pin=env:PIN", env={"PIN": "4711"}
    )
    target = address.split("//")[1]
    async with MDC(target, pin=4711) as display:
        assert (await display.power(1))[0].name == "OFF"
    with pytest.raises(MDCTLSAuthFailed):
        async with MDC(target, pin=1):
            pass


def test_samsung_mdc_command_line_over_a_serial_line(simulator: Any, tmp_path: Path) -> None:
    link = tmp_path / "display"
    simulator("samsung/mdc", "--pty", str(link), "--time-scale", "1000", "--option", "id=3")
    assert "OFF" in _mdc("-m", "serial", f"3@{link}", "power")
    assert "ON" in _mdc("-m", "serial", f"3@{link}", "power", "on")
    assert "17" in _mdc("-m", "serial", f"3@{link}", "volume", "17")


async def test_aiopjlink_with_password(simulator: Any) -> None:
    port = int(simulator("pjlink/class2", "--port", "0", "--time-scale", "100").rsplit(":", 1)[1])
    async with aiopjlink.PJLink("127.0.0.1", port, password="JBMIAProjectorLink") as projector:
        assert await projector.power.get() is aiopjlink.Power.OFF
        await projector.power.set(aiopjlink.Power.ON)
        assert await projector.power.get() in (aiopjlink.Power.State.WARMING, aiopjlink.Power.ON)
        async with asyncio.timeout(20):
            while await projector.power.get() is not aiopjlink.Power.ON:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await projector.sources.set(aiopjlink.Sources.Mode.DIGITAL, "2")
        assert await projector.sources.get() == (aiopjlink.Sources.Mode.DIGITAL, "2")
        await projector.freeze.set(True)
        assert await projector.freeze.get() is True
        assert await projector.lamps.status()
        assert all(
            level is aiopjlink.Errors.Level.OK
            for level in (await projector.errors.query()).values()
        )
    with pytest.raises(aiopjlink.PJLinkPassword):
        async with aiopjlink.PJLink("127.0.0.1", port, password="wrong"):
            pass


async def test_aiopjlink_without_password(simulator: Any) -> None:
    address = simulator("pjlink/class1", "--port", "0", "--option", "password=")
    async with aiopjlink.PJLink("127.0.0.1", int(address.rsplit(":", 1)[1])) as projector:
        with pytest.raises(aiopjlink.PJLinkERR3):
            await projector.sources.set(aiopjlink.Sources.Mode.DIGITAL, "1")


def test_visca_over_ip(simulator: Any) -> None:
    """That client binds the camera's own port number on all addresses, so ours is 127.0.0.2."""
    simulator(
        "visca/sony-ip", "--udp", "--host", "127.0.0.2", "--port", "52381",
        "--time-scale", "1000", "--state", "power=on",
    )  # fmt: skip
    camera = Camera("127.0.0.2")
    try:
        camera.pantilt(5, 5)
        camera.pantilt(0, 0)
        camera.recall_preset(2)
        camera.zoom_to(1.0)
        assert camera.get_zoom_position() == 0x4000
        assert camera.get_focus_mode() == "auto"
        camera.set_focus_mode("manual")
        assert camera.get_focus_mode() == "manual"
    finally:
        camera.close_connection()


def test_every_profile_names_a_transport() -> None:
    catalog = Catalog()
    for name in catalog.names():
        transports = catalog.get(name).transports
        assert transports.ways(), name

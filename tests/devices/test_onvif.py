"""ONVIF: our session, our simulated camera, and clients and cameras that others wrote."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.manager import DeviceManager
from devices.model import DeviceSpec, Health
from devices.onvif.far import FarOnvif
from devices.onvif.security import digest
from devices.onvif.soap import SoapError, body, envelope, fault, parse
from devices.simulated import SimulatedDevice
from devices.simulator_http import HttpPort
from devices.transports.http import PATH_END
from firmware_profiles.catalog import Catalog

PROFILE = Catalog().get("onvif/ptz")
PASSWORD = "secret"


def _camera(port: str, **options: Any) -> DeviceSpec:
    return DeviceSpec(
        id="camera",
        profile="onvif/ptz",
        transport=port.replace("http", "onvif"),
        options={"password": "env:ONVIF_PASSWORD", **options},
    )


@pytest.fixture
async def camera(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """`device, address = await camera(…)`: a simulated camera behind real HTTP."""
    monkeypatch.setenv("ONVIF_PASSWORD", PASSWORD)
    ports: list[HttpPort] = []

    async def start(**options: Any) -> tuple[SimulatedDevice, str]:
        device = SimulatedDevice(PROFILE, {"password": PASSWORD, **options})
        port = HttpPort(device, PROFILE.session, "127.0.0.1", 0)
        ports.append(port)
        return device, await port.start()

    yield start
    for port in ports:
        await port.stop()


def test_the_digest_of_the_programmers_guide() -> None:
    """ONVIF Application Programmer's Guide 1.0, section 6.1.1.3."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    wanted = "tuOSpGlFlIXsozq4HFNeeGeFLEI="
    assert digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == wanted


def test_the_short_form_does_not_care_for_prefixes_order_and_space() -> None:
    said = b"""<?xml version="1.0"?>
    <SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
      xmlns:p="http://www.onvif.org/ver20/ptz/wsdl" xmlns="http://www.onvif.org/ver10/schema">
      <SOAP-ENV:Body><p:GetStatusResponse><p:PTZStatus><Position>
        <PanTilt space="http://x" y="-0" x="0.12345"></PanTilt>
      </Position></p:PTZStatus></p:GetStatusResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>"""
    assert body(parse(said)).short() == (
        "<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position>"
        '<tt:PanTilt x="0.123" y="0.000"/></tt:Position></tptz:PTZStatus></tptz:GetStatusResponse>'
    )


def test_a_prefix_that_a_camera_forgot_to_declare_is_understood() -> None:
    said = b"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>
    <ptz:StopResponse/></s:Body></s:Envelope>"""
    assert body(parse(said)).short() == "<tptz:StopResponse/>"


def test_the_short_form_survives_the_way_there_and_back() -> None:
    short = "<trt:A><tt:Uri>rtsp://h/a?x=1&y=2&lt;</tt:Uri></trt:A>"
    assert body(parse(envelope(short))).short() == short


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>',
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">' + b"<a>" * 5000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(SoapError):
        parse(document)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    far = FarOnvif(PROFILE.session, {"password": "x"})
    far.received(data)
    assert far.replies
    with suppress(SoapError):
        fault(body(parse(data)))


async def test_a_camera_is_driven_over_http(
    camera: Any, manage: Callable[..., Any], until: Callable[..., Any]
) -> None:
    device, address = await camera()
    manager: DeviceManager = await manage(_camera(address))
    state = await until(
        manager,
        "camera",
        lambda s: {"stream_uri", "model", "position", "firmware"} <= s.values.keys(),
    )
    assert state.values["stream_uri"] == "rtsp://127.0.0.1:8554/main"
    assert state.model == "Simulated PTZ" and state.firmware == "1.0"
    for command, value in (
        ("pan_tilt", "up_left,0.3"), ("pan_tilt", "stop"), ("zoom", "tele"), ("zoom", "stop"),
        ("preset_set", 4), ("preset_recall", 4), ("home", None), ("position", "0.5,0.25,0"),
    ):  # fmt: skip
        result = await manager.send("camera", command, value)
        assert result.outcome == "confirmed", (command, result)
    assert device.values["position"] == 0.5
    assert device.received.count("preset_recall") == 1
    secrets = [entry for entry in manager.traffic("camera") if PASSWORD in entry.text]
    assert secrets == [] and b"Nonce".hex(" ") not in str(manager.traffic("camera"))


async def test_a_moves_answer_is_not_taken_for_the_stops(
    camera: Any, manage: Callable[..., Any], until: Callable[..., Any]
) -> None:
    device, address = await camera()
    manager: DeviceManager = await manage(_camera(address))
    await until(manager, "camera", lambda s: "firmware" in s.values)
    take = device.receive

    def slowly(said: bytes) -> Any:
        answer = take(said)
        answer.delay = 0.5 if b"ContinuousMove" in said else 0.0
        return answer

    device.receive = slowly
    move = asyncio.create_task(manager.send("camera", "pan_tilt", "left"))
    async with asyncio.timeout(20):
        while "pan_tilt" not in device.received:  # noqa: ASYNC110 - it runs beside us
            await asyncio.sleep(0.01)
    assert (await manager.send("camera", "pan_tilt", "stop")).outcome == "confirmed"
    assert (await move).outcome == "replaced"
    said = [entry.text for entry in manager.traffic("camera")]
    assert "late answer to pan_tilt=left" in said
    assert said.index("late answer to pan_tilt=left") < len(said) - 1
    assert device.values["pan_tilt"] == "stop"


async def test_a_camera_with_a_wrong_clock_is_driven(
    camera: Any, manage: Callable[..., Any], until: Callable[..., Any]
) -> None:
    _, address = await camera(clock_offset=-86_400 * 400)
    manager = await manage(_camera(address))
    await until(manager, "camera", lambda s: s.health is Health.ONLINE)


async def test_a_wrong_password_is_told(
    camera: Any,
    manage: Callable[..., Any],
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, address = await camera()
    monkeypatch.setenv("ONVIF_PASSWORD", "wrong")
    manager = await manage(_camera(address))
    state = await until(manager, "camera", lambda s: s.health is Health.OFFLINE)
    assert "refused the user name or password" in state.detail
    assert "options.password" in state.detail


async def test_a_media_profile_can_be_named(
    camera: Any, manage: Callable[..., Any], until: Callable[..., Any]
) -> None:
    _, address = await camera()
    manager = await manage(_camera(address, media_profile="nope"))
    state = await until(manager, "camera", lambda s: s.health is Health.OFFLINE)
    assert "profile_1" in state.detail


async def test_onvif_zeep_async_against_our_camera(camera: Any) -> None:
    """The client that Home Assistant uses: real SOAP from the official WSDL."""
    onvif = pytest.importorskip("onvif", reason="onvif-zeep-async isn't installed")
    device, address = await camera()
    host, _, port = address.removeprefix("http://").partition(":")
    client = onvif.ONVIFCamera(host, int(port), "admin", PASSWORD)
    try:
        await client.update_xaddrs()
        about = await (await client.create_devicemgmt_service()).GetDeviceInformation()
        assert about.Model == "Simulated PTZ"
        media = await client.create_media_service()
        profiles = await media.GetProfiles()
        assert [p.token for p in profiles] == ["profile_2", "profile_1"]
        asked = {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}}
        stream = await media.GetStreamUri({**asked, "ProfileToken": "profile_1"})
        assert stream.Uri == "rtsp://127.0.0.1:8554/main"
        stream = await media.GetStreamUri({**asked, "ProfileToken": "profile_2"})
        assert stream.Uri == "rtsp://127.0.0.1:8554/sub"
        ptz = await client.create_ptz_service()
        me = {"ProfileToken": "profile_1"}
        speed = {"PanTilt": {"x": -0.7, "y": 0.2}, "Zoom": {"x": 0}}
        await ptz.ContinuousMove({**me, "Velocity": speed})
        assert device.values["pan_tilt"] == "up_left"
        await ptz.Stop({**me, "PanTilt": True, "Zoom": True})
        assert device.values["pan_tilt"] == "stop"
        token = await ptz.SetPreset({**me, "PresetName": "Lectern 2"})
        found = await ptz.GetPresets(me)
        assert [(p.token, p.Name) for p in found] == [(token, "2")]
        await ptz.GotoPreset({**me, "PresetToken": token})
        assert device.received[-1] == "preset_recall"
        status = await ptz.GetStatus(me)
        assert status.Position.PanTilt.x == 0.0
        with pytest.raises(Exception, match="refused"):
            await ptz.GotoPreset({**me, "PresetToken": "none"})
    finally:
        await client.close()


async def test_zeep_reads_what_we_send(camera: Any) -> None:
    """Every message of the profile is read by an independent parser with ONVIF's own schema."""
    onvif = pytest.importorskip("onvif", reason="onvif-zeep-async isn't installed")
    from lxml import etree

    from devices.codec import Codec
    from devices.onvif.session import OnvifSession

    _, address = await camera()
    host, _, port = address.removeprefix("http://").partition(":")
    client = onvif.ONVIFCamera(host, int(port), "admin", PASSWORD)
    session = OnvifSession(PROFILE.session, None, {"username": "admin", "password": PASSWORD})  # type: ignore[arg-type]
    session._profiles = {"main": "p1", "sub": "p2"}
    codec = Codec(PROFILE, {})
    bodies = [codec.get(n).body for n, c in codec.commands.items() if c.getter]
    for name, value in (
        *(("pan_tilt", direction) for direction in codec.commands["pan_tilt"].choices),
        ("zoom", "wide"), ("zoom", "stop"), ("preset_set", 3), ("preset_recall", 3),
        ("home", None), ("home_set", None), ("position", "0.1,0.2,0.3"),
    ):  # fmt: skip
        bodies.append(codec.set(name, value).body)
    try:
        await client.update_xaddrs()
        services = {
            "tds": await client.create_devicemgmt_service(),
            "trt": await client.create_media_service(),
            "tptz": await client.create_ptz_service(),
        }
        for sent in bodies:
            document = etree.fromstring(session.wrap(sent, inquiry=True).split(PATH_END, 1)[1])
            message = document.find("{*}Body")[0]
            assert document.find("{*}Header/{*}Security/{*}UsernameToken/{*}Nonce") is not None
            prefix = sent.decode()[1:].partition(":")[0]
            types = services[prefix].zeep_client.wsdl.types
            parsed = types.get_element(message.tag).parse(message, types)
            assert parsed is not None or len(message) == 0, sent
            wanted = [child.tag.rpartition("}")[2] for child in message]
            given = [name for name in wanted if getattr(parsed, name, None) is not None]
            assert given == wanted, sent
    finally:
        await client.close()


async def test_our_driver_against_a_camera_that_others_wrote(
    manage: Callable[..., Any],
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """ipycam, a virtual camera in Python (not in CI: it wants another build of OpenCV)."""
    pytest.importorskip("ipycam", reason="ipycam isn't installed")
    from ipycam.config import CameraConfig
    from ipycam.http import IPCameraHTTPHandler
    from ipycam.onvif import ONVIFService
    from ipycam.ptz import PTZController

    monkeypatch.setenv("ONVIF_PASSWORD", PASSWORD)
    monkeypatch.chdir(tmp_path)  # it writes its presets where it stands
    config = CameraConfig()
    config.local_ip = "127.0.0.1"
    config.set_credentials("admin", PASSWORD)
    ptz = PTZController()

    class Room:
        pass

    class Handler(IPCameraHTTPHandler):  # type: ignore[misc]
        camera: Any = None

    room: Any = Room()
    room.config, room.ptz = config, ptz
    room.onvif = ONVIFService(config, ptz)
    Handler.camera = room
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    config.onvif_port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        manager = await manage(_camera(f"http://127.0.0.1:{server.server_port}"))
        state = await until(manager, "camera", lambda s: "stream_uri" in s.values)
        assert str(state.values["stream_uri"]).startswith("rtsp://127.0.0.1")
        for command, value in (
            ("pan_tilt", "left,0.5"), ("pan_tilt", "stop"), ("preset_set", 2), ("preset_recall", 2)
        ):  # fmt: skip
            result = await manager.send("camera", command, value)
            assert result.outcome == "confirmed", (command, result)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join(10)


def test_a_clock_that_is_right_has_no_offset() -> None:
    from devices.onvif.session import _clock

    far = FarOnvif(PROFILE.session, {})
    far.received(PATH_END + envelope("<tds:GetSystemDateAndTime/>"))
    answer = body(parse(far.replies[0].partition(PATH_END)[2]))
    assert abs(_clock(answer)) < timedelta(seconds=30)

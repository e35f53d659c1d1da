"""Every search against something real that answers: sockets, zeroconf, WSDiscovery, a broker."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ifaddr
import pytest
from pydantic import ValidationError

from devices.discovery import (
    mdns,
    mqtt,
    pjlink,
    portprobe,
    search,
    serialports,
    ssdp,
    wsdiscovery,
    x32,
)
from devices.discovery.found import DiscoveryConfig, Found
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog
from firmware_profiles.osc import osc_datagram


@contextmanager
def responder(answer: Callable[[bytes], bytes | None], group: str | None = None) -> Iterator[int]:
    """A thread that answers datagrams; yields its port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("" if group else "127.0.0.1", 0))
    if group:
        member = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.settimeout(0.1)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                data, peer = sock.recvfrom(4096)
            except TimeoutError:
                continue
            if (reply := answer(data)) is not None:
                sock.sendto(reply, peer)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        over.set()
        thread.join()
        sock.close()


async def _all(found: AsyncIterator[Found]) -> list[Found]:
    return [one async for one in found]


async def test_pjlink_search() -> None:
    def answer(data: bytes) -> bytes | None:
        return b"%2ACKN=AA:BB:CC:DD:EE:FF\r" if data == b"%2SRCH\r" else None

    with responder(answer) as port:
        config = DiscoveryConfig(seconds=0.6, broadcast=["127.0.0.1"], pjlink_port=port)
        found = (await _all(pjlink.discover(config)))[0]
    assert (found.transport, found.mac) == ("tcp://127.0.0.1", "aa:bb:cc:dd:ee:ff")
    assert (found.profile, found.certainty) == ("pjlink/class2", "certain")


async def test_x32_search() -> None:
    reply = osc_datagram(b'/xinfo ,ssss 192.0.2.7 "Hall 3" XR18 1.22')
    with responder(lambda data: reply if data.startswith(b"/xinfo") else None) as port:
        config = DiscoveryConfig(
            seconds=0.6, broadcast=["127.0.0.1"], x32_port=port, xair_port=port
        )
        found = (await _all(x32.discover(config)))[0]
    assert (found.name, found.model, found.firmware) == ("Hall 3", "XR18", "1.22")
    assert found.profile == "behringer/xair"


async def test_ssdp_search() -> None:
    service = "urn:lge-com:service:webos-second-screen:1"
    reply = f"HTTP/1.1 200 OK\r\nST: {service}\r\nSERVER: WebOS/4.1\r\n\r\n".encode()
    with responder(lambda data: reply if b"M-SEARCH" in data else None, ssdp.GROUP) as port:
        config = DiscoveryConfig(seconds=0.8, interfaces=["127.0.0.1"], ssdp_port=port)
        found = await _all(ssdp.discover(config))
    assert [(f.vendor, f.detail) for f in found] == [("LG", service)]


async def test_ws_discovery_finds_a_camera() -> None:
    reply = b"""<?xml version="1.0"?><SOAP-ENV:Envelope><SOAP-ENV:Body><d:ProbeMatches>
    <d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Front%20cam
    onvif://www.onvif.org/hardware/P5655 onvif://www.onvif.org/MAC/AC:CC:8E:00:00:01</d:Scopes>
    <d:XAddrs>http://127.0.0.1:8000/onvif/device_service http://[fe80::1]/onvif</d:XAddrs>
    </d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"""
    with responder(lambda data: reply if b"Probe" in data else None, wsdiscovery.GROUP) as port:
        config = DiscoveryConfig(seconds=0.8, interfaces=["127.0.0.1"], ws_port=port)
        found = (await _all(wsdiscovery.discover(config)))[0]
    assert found.transport == "onvif://127.0.0.1:8000"
    assert (found.name, found.model, found.mac) == ("Front cam", "P5655", "ac:cc:8e:00:00:01")


def _multicast() -> bool:
    return any(
        isinstance(ip.ip, str) and not ip.ip.startswith("127.")
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    )


@pytest.mark.skipif(not _multicast(), reason="no network interface besides loopback")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_ws_discovery_finds_what_the_wsdiscovery_package_publishes() -> None:
    """It dies on IPv6 in a thread of its own; we ask by IPv4."""
    package = pytest.importorskip("wsdiscovery.publishing", reason="WSDiscovery isn't installed")
    names = pytest.importorskip("wsdiscovery")
    publisher = package.ThreadedWSPublishing()
    await asyncio.to_thread(publisher.start)
    try:
        kind = names.QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")
        scopes = [names.Scope("onvif://www.onvif.org/name/Published")]
        await asyncio.to_thread(
            publisher.publishService, [kind], scopes, ["http://127.0.0.1:81/onvif/device_service"]
        )
        config = DiscoveryConfig(seconds=3.0)
        found = await _all(wsdiscovery.discover(config))
    finally:
        await asyncio.to_thread(publisher.stop)
    assert any(f.name == "Published" and "127.0.0.1:81" in f.transport for f in found)


async def test_mdns_sees_this_room_and_a_shelly() -> None:
    from zeroconf.asyncio import AsyncServiceInfo

    room = mdns.Announcement("room-b12-test", 8080, {"room": "B12", "version": "0"}, ["127.0.0.1"])
    await room.start()
    assert room._zeroconf is not None
    shelly = AsyncServiceInfo(
        "_shelly._tcp.local.",
        "shellyplus1-aabbcc._shelly._tcp.local.",
        port=80,
        addresses=[socket.inet_aton("127.0.0.1")],
        properties={"gen": "2", "app": "Plus1", "ver": "1.4.4"},
    )
    await room._zeroconf.async_register_service(shelly)
    try:
        config = DiscoveryConfig(seconds=3.0, interfaces=["127.0.0.1"])
        found = {f.name: f for f in await _all(mdns.discover(config))}
    finally:
        await room.stop()
    assert found["room-b12-test"].detail == "_classroomd._tcp"
    plus = found["shellyplus1-aabbcc"]
    assert (plus.profile, plus.model, plus.firmware) == ("shelly/gen2-http", "Plus1", "1.4.4")
    assert plus.transport == "http://127.0.0.1"


async def test_a_serial_port_is_asked_and_only_asked(simulator: Any, tmp_path: Path) -> None:
    link = str(tmp_path / "port")
    simulator("samsung/mdc", "--pty", link, "--time-scale", "1000")
    config = DiscoveryConfig(profiles=["visca/raw", "samsung/mdc"])
    found = (await _all(serialports.discover(config, ports=[link])))[0]
    assert (found.profile, found.model, found.certainty) == ("samsung/mdc", "simulated", "certain")
    assert found.transport == f"serial://{link}?baud=9600&format=8N1"


async def test_a_serial_port_in_use_is_left_alone(tmp_path: Path) -> None:
    config = DiscoveryConfig(serial_skip=[str(tmp_path)])
    found = (await _all(serialports.discover(config, ports=[str(tmp_path)])))[0]
    assert found.profile is None


async def test_the_port_probe_stays_in_its_subnet(simulator: Any, tmp_path: Path) -> None:
    port = int(simulator("samsung/mdc", "--port", "0", "--time-scale", "1000").rsplit(":", 1)[1])
    (tmp_path / "here.toml").write_text(
        f"""extends = "samsung/mdc"
title = "Here"
vendor = "Samsung"
kind = "display"
[transports]
tcp = {{ port = {port} }}
[[evidence]]
document = "none"
status = "unverified"
"""
    )
    config = DiscoveryConfig(subnets=["127.0.0.1/32"], profiles=["here"])
    found = await _all(portprobe.discover(config, Catalog([tmp_path])))
    assert [(f.transport, f.profile, f.certainty) for f in found] == [
        (f"tcp://127.0.0.1:{port}", "here", "certain")
    ]
    assert (
        await _all(portprobe.discover(DiscoveryConfig(profiles=["here"]), Catalog([tmp_path])))
        == []
    )


def test_a_whole_campus_is_not_probed() -> None:
    with pytest.raises(ValidationError, match="name the AV part"):
        DiscoveryConfig(subnets=["10.0.0.0/8"])


async def test_mqtt_announcements(broker: Any, free_port: int) -> None:
    broker(free_port)
    link = MqttLink("127.0.0.1", free_port, client_id="discovery")
    await link.start()
    assert await link.wait_connected(20)
    messages = {
        "tasmota/discovery/AABBCCDDEEFF/config": {
            "t": "screen", "dn": "Screen", "md": "Sonoff Basic", "sw": "14.1",
            "mac": "AABBCCDDEEFF",
        },
        "shellyplus1-aabbcc/online": True,
        "zigbee2mqtt/bridge/devices": [
            {
                "friendly_name": "hall/lamp",
                "definition": {"vendor": "IKEA", "model": "E1", "exposes": [
                    {"type": "light", "features": [{"property": "state"}]}]},
            },
            {
                "friendly_name": "hall/pir",
                "definition": {"vendor": "IKEA", "model": "E2", "exposes": [
                    {"property": "occupancy"}, {"property": "battery"}]},
            },
            {"friendly_name": "Coordinator", "definition": None},
        ],
        "homeassistant/switch/relay/config": {
            "~": "relays/3", "cmd_t": "~/set", "name": "Relay", "dev": {"mf": "ACME"},
        },
        "homeassistant/sensor/x/config": {"name": "no state"},
        "homeassistant/device/board/config": {
            "dev": {"mf": "ACME", "mdl": "Board"},
            "cmps": {
                "fire": {"p": "binary_sensor", "name": "Fire", "stat_t": "board/fire"},
                "json": {"p": "sensor", "stat_t": "board/all", "val_tpl": "{{ value_json.t }}"},
                "odd": "none", "other": {"p": "lock", "cmd_t": "board/lock"},
            },
        },
        "tasmota/discovery/broken/config": ["not", "a", "table"],
    }  # fmt: skip
    for topic, payload in messages.items():
        await link.publish(topic, json.dumps(payload), retain=True)
    found = {f.transport: f for f in await _all(mqtt.discover(DiscoveryConfig(seconds=1.5), link))}
    await link.stop()
    assert set(found) == {
        "mqtt://screen",
        "mqtt://shellyplus1-aabbcc",
        "mqtt://hall/lamp",
        "mqtt://relays/3/set",
        "mqtt://hall/pir",
        "mqtt://board/fire",
        "mqtt://board/all",
    }
    assert found["mqtt://hall/lamp"].profile == "zigbee2mqtt/relay"
    assert found["mqtt://hall/pir"].profile == "zigbee2mqtt/occupancy"
    assert found["mqtt://hall/pir"].options == {"name": "hall/pir"}
    assert found["mqtt://shellyplus1-aabbcc"].options == {"device": "shellyplus1-aabbcc"}
    assert mqtt.shelly_gen1("", {"id": "shelly1-1"})[0].options == {"device": "shelly1-1"}
    assert found["mqtt://board/fire"].profile == "homeassistant/binary-sensor"
    assert found["mqtt://board/fire"].options == {"state_topic": "board/fire"}
    assert found["mqtt://board/all"].profile is None
    assert found["mqtt://relays/3/set"].profile == "homeassistant/switch"
    assert found["mqtt://relays/3/set"].options == {"command_topic": "relays/3/set"}
    known = set(Catalog().names())
    assert {f.profile for f in found.values()} - {None} <= known
    assert found["mqtt://screen"].mac == "aa:bb:cc:dd:ee:ff"
    assert found["mqtt://relays/3/set"].vendor == "ACME"


async def test_all_searches_together_and_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(config: DiscoveryConfig) -> AsyncIterator[Found]:
        raise OSError("no multicast here")
        yield Found(transport="", how="")

    monkeypatch.setattr(mdns, "discover", broken)

    def answer(data: bytes) -> bytes | None:
        return b"%2ACKN=AA:BB:CC:DD:EE:FF\r" if data == b"%2SRCH\r" else None

    with responder(answer) as port:
        config = DiscoveryConfig(
            seconds=0.6, broadcast=["127.0.0.1"], pjlink_port=port, serial_probe=False
        )
        found = await _all(search.search(config))
    assert [f.profile for f in found if f.how == "PJLink search"] == ["pjlink/class2"]

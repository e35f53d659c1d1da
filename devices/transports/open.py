"""Makes the link that a `transport` of room.toml names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from devices.transports.http import HttpLink
from devices.transports.link import Link
from devices.transports.mqtt import MqttDeviceLink, MqttLink
from devices.transports.serial import SerialLink
from devices.transports.tcp import TcpLink
from devices.transports.udp import OscLink, UdpLink
from firmware_profiles.schema import Profile
from firmware_profiles.template import BytesTemplate
from firmware_profiles.wire import SerialTransport

SCHEMES = ("serial", "tcp", "udp", "osc", "http", "onvif", "mqtt", "socket", "rfc2217")
_WAYS = {"socket": "serial", "rfc2217": "serial", "onvif": "http"}


class TransportError(ValueError):
    """The transport's address is wrong or doesn't suit the profile; `remedy` says what to write."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Address:
    """A transport URL taken apart. `way` is the profile's table (serial, tcp, http …)."""

    scheme: str
    way: str
    host: str
    port: int | None
    path: str
    query: dict[str, str]


def parse_address(url: str, profile: Profile) -> Address:
    """Check `url` against `profile`. Raises TransportError."""
    scheme, colon, rest = url.partition("://")
    if not colon or scheme not in SCHEMES:
        raise TransportError(
            f"{url!r} is no transport",
            "write serial:///dev/ttyUSB0, tcp://host[:port], udp://, osc://, http://, onvif://, "
            "mqtt://topic, socket://host:port or rfc2217://host:port",
        )
    way = _WAYS.get(scheme, scheme)
    offered = profile.transports.ways()
    if way not in offered:
        http = "onvif" if profile.session_for("http").kind == "onvif" else "http"
        raise TransportError(
            f"{profile.name} doesn't speak {scheme}",
            f"use one of {', '.join(http if key == 'http' else key for key in offered)}",
        )
    if way == "mqtt":
        return Address(scheme, way, "", None, unquote(rest).strip("/"), {})
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TransportError(f"{url!r}: {error}", "write host:port") from error
    query = dict(parse_qsl(parts.query))
    if scheme == "serial":
        if not parts.path:
            raise TransportError(f"{url!r} names no port", "write serial:///dev/ttyUSB0")
        known = {"baud", "format", "flow"}
        if query.keys() - known:
            raise TransportError(
                f"{min(query.keys() - known)!r} is no serial setting", "use baud, format, flow"
            )
    elif not parts.hostname:
        raise TransportError(f"{url!r} names no host", f"write {scheme}://host:port")
    elif scheme in ("socket", "rfc2217") and port is None:
        raise TransportError(f"{url!r} names no port", f"write {scheme}://host:port")
    return Address(scheme, way, parts.hostname or "", port, parts.path, query)


def _table(profile: Profile, way: str) -> Any:
    return getattr(profile.transports, way)


def open_link(
    address: Address, profile: Profile, options: dict[str, Any], mqtt: MqttLink | None
) -> Link:
    """The link, not yet connected. Raises TransportError."""
    table = _table(profile, address.way)
    if address.way == "mqtt":
        if mqtt is None:
            raise TransportError(
                "there is no MQTT broker",
                "install Mosquitto (apt install mosquitto), or name one with [mqtt] mode external",
            )
        topics = [BytesTemplate(topic, "text").build(options).decode() for topic in table.subscribe]
        return MqttDeviceLink(mqtt, topics)
    if address.way == "serial":
        settings = _serial_settings(table, address.query)
        if address.scheme == "serial":
            return SerialLink(address.path, settings)
        # Bridges that lack modem lines never acknowledge their setting, and nothing waits for it.
        quirk = "?ign_set_control" if address.scheme == "rfc2217" else ""
        return SerialLink(f"{address.scheme}://{address.host}:{address.port}{quirk}", settings)
    port = address.port or table.port
    if address.way == "tcp":
        return TcpLink(address.host, port, timeout=profile.timing.connect_s)
    if address.way == "http":
        path = address.path if len(address.path) > 1 else table.path
        return HttpLink(address.host, port, path, table, timeout=profile.timing.timeout_s)
    kind = OscLink if address.way == "osc" else UdpLink
    return kind(address.host, port, local_port=table.local_port)


def _serial_settings(table: SerialTransport, query: dict[str, str]) -> SerialTransport:
    try:
        return SerialTransport.model_validate(table.model_dump() | query)
    except ValueError as error:
        raise TransportError(
            f"serial settings {query} are wrong", "write ?baud=9600&format=8N1"
        ) from error

"""WS-Discovery: a SOAP Probe by multicast finds ONVIF cameras and where their service is."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

from devices.discovery.datagrams import ask_all
from devices.discovery.found import DiscoveryConfig, Found

GROUP = "239.255.255.250"
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<e:Header><w:MessageID>uuid:{id}</w:MessageID>
<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>
<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


def texts(document: str, name: str) -> list[str]:
    """The words inside every element of that local name. A probe match is flat enough, and an
    XML parser fed by strangers is one more thing that can be attacked."""
    found = re.findall(rf"<(?:\w+:)?{name}(?:\s[^<>]*)?>([^<]*)<", document)
    return [word for text in found for word in html.unescape(text).split()]


def scope(scopes: list[str], key: str) -> str:
    """What a camera says of itself under onvif://www.onvif.org/KEY/…"""
    prefix = f"onvif://www.onvif.org/{key}/"
    return next((unquote(s.removeprefix(prefix)) for s in scopes if s.startswith(prefix)), "")


async def discover(config: DiscoveryConfig) -> AsyncIterator[Found]:
    """Cameras that answer a probe for NetworkVideoTransmitter."""
    probe = _PROBE.format(id=uuid.uuid4()).encode()
    async for data, host in ask_all(
        probe, [(GROUP, config.ws_port)], config.seconds, multicast_from=config.interfaces
    ):
        document = data.decode("utf-8", "replace")
        if "ProbeMatch" not in document:
            continue
        addresses = [a for a in texts(document, "XAddrs") if a.startswith("http")]
        scopes = texts(document, "Scopes")
        best = next((a for a in addresses if urlsplit(a).hostname == host), None)
        address = best or (addresses[0] if addresses else "")
        if not address:
            continue
        yield Found(
            transport=f"onvif://{urlsplit(address).netloc}",
            how="WS-Discovery",
            name=scope(scopes, "name"),
            model=scope(scopes, "hardware"),
            mac=scope(scopes, "MAC").lower(),
            profile="onvif/ptz",
            certainty="certain",
            detail=address,
        )

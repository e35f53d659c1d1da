"""A Common Cartridge that holds one link: to where the lecture was published.

IMS Common Cartridge 1.3 (imswl_xmlv1p3). Course platforms import it as a link in a course. It
loads no codec, because it is made when a delivery has arrived.
"""

from __future__ import annotations

import json
import stat
import time
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from recorder.recording import Recording

NAME = "link.imscc"

_CARTRIDGE = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier={id} xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1"
  xmlns:lomimscc="http://ltsc.ieee.org/xsd/imsccv1p3/LOM/manifest">
  <metadata><schema>IMS Common Cartridge</schema><schemaversion>1.3.0</schemaversion>
    <lomimscc:lom><lomimscc:general><lomimscc:title><lomimscc:string>{title}</lomimscc:string>
    </lomimscc:title></lomimscc:general></lomimscc:lom></metadata>
  <organizations><organization identifier="lectures" structure="rooted-hierarchy">
    <item identifier="root"><item identifier="lecture" identifierref="link">
      <title>{title}</title></item></item>
  </organization></organizations>
  <resources>
    <resource identifier="link" type="imswl_xmlv1p3"><file href="link.xml"/></resource>
  </resources>
</manifest>
"""

_LINK = """<?xml version="1.0" encoding="UTF-8"?>
<webLink xmlns="http://www.imsglobal.org/xsd/imsccv1p3/imswl_v1p3">
  <title>{title}</title>
  <url href={url} target="_blank"/>
</webLink>
"""


def write(recording: Recording, url: str) -> Path:
    """Makes `products/link.imscc`; it appears as a whole. Raises OSError."""
    path = recording.products / NAME
    new = recording.products / f".{NAME}.new"
    title = escape(recording.manifest.title)
    manifest = _CARTRIDGE.format(id=quoteattr(f"lecture-{recording.id}"), title=title)
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(readable("imsmanifest.xml"), manifest)
        archive.writestr(readable("link.xml"), _LINK.format(title=title, url=quoteattr(url)))
    new.replace(path)
    return path


def readable(name: str, packed: bool = True) -> zipfile.ZipInfo:
    """An entry that everybody may read where it is unpacked; a web server is somebody else."""
    entry = zipfile.ZipInfo(name, time.localtime()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def published_at(recording: Recording) -> str | None:
    """Where a delivery that has arrived says that the lecture can be seen."""
    for path in sorted(recording.deliveries.glob("*.json")):
        try:
            delivery = json.loads(path.read_bytes())
            place = (delivery.get("receipt") or {}).get("place")
        except (OSError, ValueError, AttributeError):
            continue
        if delivery.get("state") == "verified" and is_link(place):
            return str(place)
    return None


def is_link(place: object) -> bool:
    """Whether a receipt's place can be opened in a browser."""
    return isinstance(place, str) and place.startswith(("https://", "http://"))

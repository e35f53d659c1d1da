"""The link for course platforms: only to what has arrived, well-formed whatever it is called."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recorder import cartridge
from recorder.recording import create

from .course_package import faults

CC = "{http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1}"


def test_the_link_leads_to_where_the_lecture_was_published(tmp_path: Path) -> None:
    recording = create(tmp_path, session="s", room="r", title="Physics <1> & more", sources=[])
    place = "https://example.org/?a=1&b=2"
    for name, state, receipt in (
        ("archive", "verified", {"place": "/mnt/archive/x"}),
        ("late", "sending", {"place": "https://example.org/old"}),
        ("none", "verified", None),
        ("tube", "verified", {"place": place}),
    ):
        path = recording.deliveries / f"{name}.json"
        path.write_text(json.dumps({"state": state, "receipt": receipt}))
    assert cartridge.published_at(recording) == place
    path = cartridge.write(recording, place)
    assert faults(path) == []
    with zipfile.ZipFile(path) as archived:
        assert archived.testzip() is None
        manifest = ElementTree.fromstring(archived.read("imsmanifest.xml"))
        web = ElementTree.fromstring(archived.read("link.xml"))
    resource = next(manifest.iter(f"{CC}resource"))
    assert resource.attrib["type"] == "imswl_xmlv1p3"
    assert [file.attrib["href"] for file in resource] == ["link.xml"]
    item = next(one for one in manifest.iter(f"{CC}item") if "identifierref" in one.attrib)
    assert item.attrib["identifierref"] == resource.attrib["identifier"]
    assert item[0].text == "Physics <1> & more"
    assert [one.attrib["href"] for one in web if one.tag.endswith("}url")] == [place]


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('identifierref="link"', 'identifierref="lnk"', "refers to no resource: lnk"),
        ('identifier="root"', 'identifier="lecture"', "two things have one identifier"),
        ('identifier="root"', 'identifier="1"', "no name: 1"),
        ("1.3.0", "1.3", "declares itself as ('IMS Common Cartridge', '1.3')"),
        ("rooted-hierarchy", "flat", "not one organization that is a rooted hierarchy"),
        ('"https:', '"', "leads nowhere"),
    ],
)
def test_what_is_wrong_would_be_seen(tmp_path: Path, right: str, wrong: str, fault: str) -> None:
    recording = create(tmp_path, session="s", room="r", title="Physics", sources=[])
    path = cartridge.write(recording, "https://example.org/1")
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name).decode() for name in archive.namelist()}
    assert any(right in text for text in held.values())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in held.items():
            archive.writestr(name, text.replace(right, wrong))
    assert fault in faults(path)

"""Holds a package for course platforms against the tables of its specification.

IMS Common Cartridge 1.3 implementation, sections on the manifest, web links and file structure;
SCORM 1.2 Content Aggregation Model, table of manifest elements for a content aggregation.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

CC = "http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1"
LINK = "http://www.imsglobal.org/xsd/imsccv1p3/imswl_v1p3"
LOM = "http://ltsc.ieee.org/xsd/imsccv1p3/LOM/manifest"
SCORM = "http://www.imsproject.org/xsd/imscp_rootv1p1p2"
ADL = "http://www.adlnet.org/xsd/adlcp_rootv1p2"
_DECLARED = {CC: ("IMS Common Cartridge", "1.3.0"), SCORM: ("ADL SCORM", "1.2")}
_NAME = re.compile(r"[A-Za-z_][\w.-]*")  # an xs:ID of ASCII


def faults(path: Path) -> list[str]:
    """What is wrong with the package at `path`; nothing when it is as it must be."""
    with zipfile.ZipFile(path) as archive:
        if "imsmanifest.xml" not in archive.namelist():
            return ["no imsmanifest.xml at its root"]
        root = ElementTree.fromstring(archive.read("imsmanifest.xml"))
        space = root.tag[1:].partition("}")[0]
        if space not in _DECLARED:
            return [f"a manifest of an unknown kind: {root.tag}"]
        names = set(archive.namelist()) - {"imsmanifest.xml"}
        found = [*_manifest(root, space, names)]
        found += _cartridge(root, archive) if space == CC else _scorm(root)
        return found


def _manifest(root: Element, space: str, names: set[str]) -> Iterator[str]:
    if [child.tag for child in root] != [
        f"{{{space}}}{name}" for name in ("metadata", "organizations", "resources")
    ]:
        yield "not metadata, organizations, resources, in this order"
    said = tuple(
        root.findtext(f"{{{space}}}metadata/{{{space}}}{name}")
        for name in ("schema", "schemaversion")
    )
    if said != _DECLARED[space]:
        yield f"declares itself as {said}"
    identifiers = [one.attrib["identifier"] for one in root.iter() if "identifier" in one.attrib]
    if "identifier" not in root.attrib:
        yield "the manifest has no identifier"
    if len(set(identifiers)) != len(identifiers):
        yield "two things have one identifier"
    yield from (f"no name: {one}" for one in identifiers if not _NAME.fullmatch(one))
    resources = list(root.iter(f"{{{space}}}resource"))
    known = {one.attrib.get("identifier") for one in resources}
    for one in root.iter():
        if one.attrib.get("identifierref", next(iter(known))) not in known:
            yield f"refers to no resource: {one.attrib['identifierref']}"
    listed = {one.attrib["href"] for one in root.iter(f"{{{space}}}file")}
    yield from (f"listed, not there: {one}" for one in sorted(listed - names))
    yield from (f"there, not listed: {one}" for one in sorted(names - listed))


def _cartridge(root: Element, archive: zipfile.ZipFile) -> Iterator[str]:
    title = f"{{{CC}}}metadata/{{{LOM}}}lom/{{{LOM}}}general/{{{LOM}}}title/{{{LOM}}}string"
    if not root.findtext(title):
        yield "its metadata has no title"
    organizations = root.findall(f"{{{CC}}}organizations/{{{CC}}}organization")
    if [one.attrib.get("structure") for one in organizations] != ["rooted-hierarchy"]:
        yield "not one organization that is a rooted hierarchy"
        return
    tops = list(organizations[0])
    if len(tops) != 1 or tops[0].find(f"{{{CC}}}title") is not None or tops[0].get("identifierref"):
        yield "not one item at the top, without title and resource"
    for item in tops[0].iter(f"{{{CC}}}item"):
        if item is not tops[0] and not item.findtext(f"{{{CC}}}title"):
            yield "an item has no title"
    for resource in root.iter(f"{{{CC}}}resource"):
        if resource.attrib.get("type") != "imswl_xmlv1p3" or "href" in resource.attrib:
            yield "a resource that is no web link"
        files = [one.attrib["href"] for one in resource.findall(f"{{{CC}}}file")]
        if len(files) != 1:
            yield "a web link is one file"
            continue
        link = ElementTree.fromstring(archive.read(files[0]))
        if link.tag != f"{{{LINK}}}webLink" or [one.tag for one in link] != [
            f"{{{LINK}}}title",
            f"{{{LINK}}}url",
        ]:
            yield "not a web link with a title and a url"
            continue
        address = urlsplit(link[1].attrib.get("href", ""))
        if address.scheme not in ("http", "https") or not address.netloc:
            yield "leads nowhere"
        if set(link[1].attrib) - {"href", "target", "windowFeatures"}:
            yield "a url has what it may not have"


def _scorm(root: Element) -> Iterator[str]:
    organizations = root.find(f"{{{SCORM}}}organizations")
    assert organizations is not None
    named = {one.attrib.get("identifier") for one in organizations}
    if organizations.attrib.get("default") not in named:
        yield "the default organization is not there"
    for one in organizations.iter():
        kind = one.tag.partition("}")[2]
        if kind in ("organization", "item") and not one.findtext(f"{{{SCORM}}}title"):
            yield f"{kind} without a title"
    for resource in root.iter(f"{{{SCORM}}}resource"):
        if resource.attrib.get("type") != "webcontent":
            yield "a resource that is no web content"
        if resource.attrib.get(f"{{{ADL}}}scormtype") not in ("sco", "asset"):
            yield "neither a sco nor an asset"
        files = {one.attrib["href"] for one in resource.findall(f"{{{SCORM}}}file")}
        if resource.attrib.get("href") not in files:
            yield "its first page is none of its files"

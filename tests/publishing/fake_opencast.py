"""The fake Opencast.

Sources: IngestRestService.java (fields before the file, 400 without a flavor or with a media
package that is not one, ingest by form), the service registry's available.json (an object for one
service, a list for several, "" for none), the external API's events, and the asset manager's
episode with the MD5 that inspection writes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

from fake_server import Answer, Fake, Request

from publishing.capture_agent import STATES

SERVICES = {
    "org.opencastproject.ingest": "/ingest",
    "org.opencastproject.capture.admin": "/capture-admin",
    "org.opencastproject.scheduler": "/recordings",
}
NS = "http://mediapackage.opencastproject.org"
XML = {"content-type": "text/xml"}
DC = "{http://purl.org/dc/terms/}"


class FakeOpencast(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.series: dict[str, str] = {}
        self.states: list[tuple[str, str]] = []
        self.agent: list[tuple[str, str]] = []
        self.calendars: list[str] = []
        self.services: Any = None
        self.polls = 0
        self.workflow_ends = "SUCCEEDED"
        self.unseen = False

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        basic = "Basic " + base64.b64encode(b"agent:word").decode()
        if request.headers.get("authorization") != basic:
            return Answer(401)
        verb = f"{request.method} {request.path}"
        if verb == "GET /services/available.json":
            path = SERVICES[request.query["serviceType"]]
            one = {"active": True, "online": True, "maintenance": False, "host": self.base,
                   "path": path}  # fmt: skip
            if path != "/ingest":
                return Answer(200, {"services": {"service": one}})
            found = one if self.services is None else self.services
            return Answer(200, {"services": {"service": found} if found else ""})
        if made := re.fullmatch(r"PUT /ingest/createMediaPackageWithID/([\w-]+)", verb):
            return Answer(200, _package(made[1]), XML)
        if verb == "POST /ingest/addDCCatalog":
            return self._catalog(request.form)
        if verb in ("POST /ingest/addTrack", "POST /ingest/addPartialTrack"):
            return self._track(request, partial=verb.endswith("PartialTrack"))
        if verb == "POST /ingest/addAttachment":
            return self._attachment(request)
        if verb == "GET /recordings/calendars":
            self.calendars.append(request.headers.get("if-none-match", ""))
            if self.calendars[-1] == '"1"':
                return Answer(304)
            return Answer(200, b"BEGIN:VCALENDAR", {"etag": '"1"', "content-type": "text/calendar"})
        if found := re.fullmatch(r"POST /capture-admin/agents/([\w-]+)(/configuration)?", verb):
            if found[2] and "capture.device.names" not in request.form["configuration"]:
                return self.refuse("a configuration without inputs")
            if not found[2] and request.form["state"] not in STATES:
                return self.refuse(f"unknown state {request.form['state']}")
            self.agent.append((found[1], request.form.get("state", "configured")))
            return Answer(200)
        if verb == "POST /ingest/ingest":
            return self._ingest(request.form)
        if found := re.fullmatch(r"PUT /api/events/([\w-]+)/(metadata|acl)", verb):
            told = json.loads(request.form[found[2]])
            assert found[2] == "acl" or request.query == {"type": "dublincore/episode"}
            self.events[found[1]][found[2]] = told
            return Answer(204)
        if found := re.fullmatch(r"(GET|DELETE) /api/events/([\w-]+)", verb):
            return self._event(*found.groups())
        if found := re.fullmatch(r"GET /assets/episode/([\w-]+)", verb):
            event = self.events.get(found[1])
            return Answer(200, self._archive(event["package"]), XML) if event else Answer(404)
        if found := re.fullmatch(r"GET /series/([\w-]+)\.json", verb):
            return Answer(200 if found[1] in self.series else 404)
        if verb == "POST /series/":
            catalog = ET.fromstring(request.form["series"])
            self.series[catalog.findtext(DC + "identifier") or ""] = (
                catalog.findtext(DC + "title") or ""
            )
            return Answer(201)
        if found := re.fullmatch(r"POST /capture-admin/recordings/([\w-]+)", verb):
            self.states.append((found[1], request.form["state"]))
            return Answer(200)
        return self.refuse(f"no such address: {verb}", 404)

    def _catalog(self, form: dict[str, str]) -> Answer:
        if set(form) != {"mediaPackage", "dublinCore", "flavor"}:
            return self.refuse(f"addDCCatalog with {sorted(form)}")
        package, catalog = ET.fromstring(form["mediaPackage"]), ET.fromstring(form["dublinCore"])
        if catalog.findtext(DC + "identifier") != package.get("id"):
            return self.refuse("catalog and media package name different events")
        where = package.find(f"{{{NS}}}metadata")
        assert where is not None
        entry = ET.SubElement(where, f"{{{NS}}}catalog", type=form["flavor"])
        entry.text = form["dublinCore"]
        return Answer(200, ET.tostring(package), XML)

    def _attachment(self, request: Request) -> Answer:
        fields: dict[str, str] = {}
        for part in request.parts():
            if part.filename is None:
                fields[part.name] = part.text
                continue
            if "flavor" not in fields or "mediaPackage" not in fields:
                return self.refuse("the attachment came before flavor and mediaPackage")
            package = ET.fromstring(fields["mediaPackage"])
            where = package.find(f"{{{NS}}}attachments")
            assert where is not None
            entry = ET.SubElement(where, f"{{{NS}}}attachment", type=fields["flavor"])
            entry.text = part.text
            return Answer(200, ET.tostring(package), XML)
        return self.refuse("addAttachment without a file")

    def _track(self, request: Request, *, partial: bool) -> Answer:
        fields: dict[str, str] = {}
        for part in request.parts():
            if part.filename is None:
                fields[part.name] = part.text
                continue
            # The parser stops at the first file: what stands behind it is never seen.
            if "flavor" not in fields or "mediaPackage" not in fields:
                return self.refuse("the file came before flavor and mediaPackage")
            try:
                package = ET.fromstring(fields["mediaPackage"])
            except ET.ParseError:
                return self.refuse("mediaPackage is not one")
            key = f"{self.base}/files/{len(self.files)}/{part.filename}"
            self.files[key] = part.data
            media = package.find(f"{{{NS}}}media")
            assert media is not None
            if partial != ("startTime" in fields) or partial != fields["flavor"].endswith(
                "+partial"
            ):
                return self.refuse(f"{fields['flavor']} with startTime {fields.get('startTime')}")
            track = ET.SubElement(media, f"{{{NS}}}track", type=fields["flavor"])
            if partial:
                track.set("start", str(int(fields["startTime"])))
            tags = ET.SubElement(track, f"{{{NS}}}tags")
            for tag in filter(None, fields.get("tags", "").split(",")):
                ET.SubElement(tags, f"{{{NS}}}tag").text = tag
            ET.SubElement(track, f"{{{NS}}}url").text = key
            return Answer(200, ET.tostring(package), XML)
        return self.refuse("addTrack without a file")

    def _ingest(self, form: dict[str, str]) -> Answer:
        package = ET.fromstring(form["mediaPackage"])
        if form.get("workflowInstanceId") != package.get("id"):
            return self.refuse("another event than the media package")
        if not list(package.iter(f"{{{NS}}}track")):
            return self.refuse("ingest without tracks", 500)
        event = package.get("id") or ""
        ingests = self.events.get(event, {}).get("ingests", 0) + 1
        self.events[event] = {"package": package, "form": form, "polls": self.polls,
                              "ingests": ingests}  # fmt: skip
        return Answer(200, b'<workflow xmlns="http://workflow.opencastproject.org" id="1"/>', XML)

    def _event(self, method: str, name: str) -> Answer:
        event = self.events.get(name)
        if event is None or self.unseen:
            return Answer(404)
        if method == "DELETE":
            del self.events[name]
            return Answer(204)
        event["polls"] -= 1
        state = "RUNNING" if event["polls"] >= 0 else self.workflow_ends
        return Answer(200, {"identifier": name, "processing_state": state})

    def _archive(self, package: ET.Element) -> bytes:
        for track in package.iter(f"{{{NS}}}track"):
            data = self.files[track.findtext(f"{{{NS}}}url") or ""]
            for old in track.findall(f"{{{NS}}}checksum"):
                track.remove(old)
            checksum = ET.SubElement(track, f"{{{NS}}}checksum", type="md5")
            checksum.text = hashlib.md5(data).hexdigest()
        return ET.tostring(package)


def _package(name: str) -> bytes:
    return (
        f'<mediapackage xmlns="{NS}" id="{name}" start="2026-03-02T08:00:00Z">'
        "<media/><metadata/><attachments/><publications/></mediapackage>"
    ).encode()

"""Opencast against a strict fake, and against a real one when the environment names it.

Sources of the fake: IngestRestService.java (fields before the file, 400 without a flavor or with a
media package that is not one, ingest by form), the service registry's available.json (an object
for one service, a list for several, "" for none), the external API's events, and the asset
manager's episode with the MD5 that inspection writes. CLASSROOMD_OPENCAST_URL, _USER and _SECRET
name a real server.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import Answer, Fake, Request
from fault_proxy import Fault, FaultProxy
from publishing_contract import FAST, HttpTargetContract, Site, deliver

from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig

NS = "http://mediapackage.opencastproject.org"
XML = {"content-type": "text/xml"}
DC = "{http://purl.org/dc/terms/}"


class FakeOpencast(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.files: dict[str, bytes] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.series: dict[str, str] = {}
        self.states: list[tuple[str, str]] = []
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
            assert request.query == {"serviceType": "org.opencastproject.ingest"}
            one = {"active": True, "online": True, "maintenance": False, "host": self.base,
                   "path": "/ingest"}  # fmt: skip
            found = one if self.services is None else self.services
            return Answer(200, {"services": {"service": found} if found else ""})
        if made := re.fullmatch(r"PUT /ingest/createMediaPackageWithID/([\w-]+)", verb):
            return Answer(200, _package(made[1]), XML)
        if verb == "POST /ingest/addDCCatalog":
            return self._catalog(request.form)
        if verb == "POST /ingest/addTrack":
            return self._track(request)
        if verb == "POST /ingest/ingest":
            return self._ingest(request.form)
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

    def _track(self, request: Request) -> Answer:
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
            track = ET.SubElement(media, f"{{{NS}}}track", type=fields["flavor"])
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


class OpencastSite(Site):
    def __init__(self, fake: FakeOpencast, secret: Path) -> None:
        self.fake, self.secret = fake, secret

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="oc", target="opencast", url=self.proxy.url, user="agent",
            secret=f"file:{self.secret}", **{"settle_minutes": 0, **more},
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for event in self.fake.events.values():
            for track in event["package"].iter(f"{{{NS}}}track"):
                key = track.findtext(f"{{{NS}}}url")
                found.setdefault(key.rpartition("/")[2], []).append(self.fake.files[key])
        return found

    async def wipe(self) -> None:
        self.fake.files, self.fake.events = {}, {}

    async def restart(self) -> None:
        await self.fake.stop()
        await self.fake.start()

    async def damage(self, name: str) -> None:
        for key, data in self.fake.files.items():
            if key.endswith(name):
                self.fake.files[key] = data[:-1] + b"?"


class TestOpencast(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[OpencastSite]:
        secret = tmp_path / "secret"
        secret.write_text("word")
        fake = FakeOpencast()
        await fake.start()
        site = OpencastSite(fake, secret)
        site.proxy = FaultProxy(("127.0.0.1", fake.port))
        await site.proxy.start()
        fake.base = site.proxy.url
        yield site
        await site.proxy.stop()
        await fake.stop()

    async def test_the_event_says_what_it_is(self, site: OpencastSite, folder: Path) -> None:
        config = site.config(
            series="{course}", create_series=True, agent="r101", parameters={"publish": "true"}
        )
        status = await deliver(folder, config)
        assert status.state == "verified"
        ((name, event),) = site.fake.events.items()
        assert event["form"]["publish"] == "true"
        assert event["form"]["workflowDefinitionId"] == "schedule-and-upload"
        assert site.fake.series == {"math-101": "math-101"}
        assert site.fake.states == [(name, "uploading"), (name, "upload_finished")]
        catalog = ET.fromstring(event["package"].findtext(f".//{{{NS}}}catalog"))
        told = {term.tag.removeprefix(DC): term.text for term in catalog}
        assert told["title"] == "Calculus: limits"
        assert told["isPartOf"] == "math-101"
        assert told["license"] == "CC-BY-4.0"
        assert told["temporal"] == (
            "start=2026-03-02T08:00:00Z; end=2026-03-02T08:00:40Z; scheme=W3C-DTF;"
        )
        tracks = {t.get("type"): [g.text for g in t.iter(f"{{{NS}}}tag")]
                  for t in event["package"].iter(f"{{{NS}}}track")}  # fmt: skip
        assert tracks == {"presenter/source": [], "captions/source": ["lang:en"]}

    async def test_single_tracks_have_their_flavors(self, site: OpencastSite, folder: Path) -> None:
        assert (await deliver(folder, site.config(send="tracks"))).state == "verified"
        (event,) = site.fake.events.values()
        flavors = [t.get("type") for t in event["package"].iter(f"{{{NS}}}track")]
        assert flavors == ["presenter/source", "presentation/source", "captions/source"]

    async def test_a_scheduled_event_keeps_its_identifier(
        self, site: OpencastSite, make_recording: Any
    ) -> None:
        folder = make_recording(event="b5f7f4c4-0000-4000-8000-000000000001")
        await deliver(folder, site.config())
        assert list(site.fake.events) == ["b5f7f4c4-0000-4000-8000-000000000001"]

    async def test_processing_is_waited_for(self, site: OpencastSite, folder: Path) -> None:
        site.fake.polls = 3
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        (event,) = site.fake.events.values()
        assert event["ingests"] == 1

    async def test_504_while_files_are_inspected_is_no_failure(
        self, site: OpencastSite, folder: Path
    ) -> None:
        """The proxy gives up, the workflow runs, and the event is not listed at once."""
        config = site.config(products=site.products, settle_minutes=10)
        numbers = [n for n, _ in await self.requests(site, folder)]
        ingest = next(n for n in numbers if site.proxy.seen[n].path == "/ingest/ingest")
        await self.fresh(site, folder)
        site.proxy.faults = {ingest: Fault("late", status=504)}
        site.fake.unseen = True
        worker = DeliveryWorker(folder.parent, [config], backoff=FAST)
        status = await worker.deliver_once(folder, "oc", tries=3)
        assert (status.state, "looking through" in status.detail) == ("verifying", True)
        site.fake.unseen = False
        await self.arrived_once(site, folder, await worker.deliver_once(folder, "oc", tries=3))
        (event,) = site.fake.events.values()
        assert event["ingests"] == 1

    async def test_a_failed_workflow_is_told(self, site: OpencastSite, folder: Path) -> None:
        site.fake.workflow_ends = "FAILED"
        status = await deliver(folder, site.config())
        assert (status.state, "admin interface" in status.remedy) == ("failed", True)

    async def test_services_come_as_one_many_or_none(
        self, site: OpencastSite, folder: Path
    ) -> None:
        down = {"active": True, "online": True, "maintenance": True, "host": "x", "path": "/x"}
        up = {**down, "maintenance": False, "host": site.proxy.url, "path": "/ingest"}
        site.fake.services = ""
        status = await deliver(folder, site.config(), tries=1)
        assert (status.state, "ingest" in status.detail) == ("retrying", True)
        site.fake.services = [down, up]
        assert (await deliver(folder, site.config())).state == "verified"


async def test_a_real_opencast(make_recording: Any) -> None:
    url, user = (
        os.environ.get("CLASSROOMD_OPENCAST_URL"),
        os.environ.get("CLASSROOMD_OPENCAST_USER"),
    )
    if not url or not user or "CLASSROOMD_OPENCAST_SECRET" not in os.environ:
        pytest.skip("no real Opencast: CLASSROOMD_OPENCAST_URL, _USER and _SECRET are not set")
    config = TargetConfig(
        id="oc", target="opencast", url=url, user=user, secret="env:CLASSROOMD_OPENCAST_SECRET"
    )
    folder = make_recording()
    worker = DeliveryWorker(folder.parent, [config])
    status = await worker.deliver_once(folder, "oc", tries=3)
    assert status.state in ("verified", "verifying")
    await worker.withdraw(folder, "oc")

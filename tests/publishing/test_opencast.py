"""Opencast against a strict fake, and against a real one when the environment names it.

CLASSROOMD_OPENCAST_URL, _USER and _SECRET name a real server.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest
from fake_opencast import DC, NS, FakeOpencast
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import FAST, HttpTargetContract, deliver

from publishing.capture_agent import AgentTeller, CaptureAgent
from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig
from publishing.targets import create
from recorder import encoders
from recorder.media import MediaStream, Sample
from recorder.recording import Life, Recording
from recorder.segments import SegmentWriter, Syncer


class OpencastSite(FakeSite[FakeOpencast]):
    one_package = True

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

    async def words(self) -> tuple[str, str]:
        (event,) = self.fake.events.values()
        told = {one["id"]: one["value"] for one in event.get("metadata", [])}
        public = [one["role"] for one in event.get("acl", [])] == ["ROLE_ANONYMOUS"]
        return told.get("title", ""), "public" if public else ""

    async def wipe(self) -> None:
        self.fake.files, self.fake.events = {}, {}

    async def damage(self, name: str) -> None:
        for key, data in self.fake.files.items():
            if key.endswith(name):
                self.fake.files[key] = data[:-1] + b"?"


@pytest.fixture
def build() -> Any:
    """Writes a segment as the recorder does, whose sound begins at a class second."""

    def make(path: Path, start: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoder = encoders.open_sound(1)
        syncer = Syncer()
        stream = MediaStream("audio", "aac", encoder.extradata or b"", rate=48000, channels=1)
        writer = SegmentWriter(path, [stream], syncer)
        for number in range(20):
            at = round((start + number * 1024 / 48000) * 1e6)
            writer.write(Sample(0, at, at, 21333, True, av.Packet(os.urandom(50))))
        writer.close()
        syncer.stop()

    return make


class TestOpencast(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[OpencastSite]:
        async with opened(OpencastSite(FakeOpencast(), tmp_path / "secret"), "word") as site:
            yield site

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

    async def test_partial_tracks_begin_where_the_class_has_them(
        self, site: OpencastSite, folder: Path, build: Any
    ) -> None:
        for number, start in ((1, 0.0), (2, 12.5)):
            build(folder / f"tracks/cam/{number:06}.mp4", start)
        config = site.config(send="partial")
        status = await deliver(folder, config)
        assert status.state == "verified", status.detail
        (event,) = site.fake.events.values()
        tracks = [(t.get("type"), t.get("start")) for t in event["package"].iter(f"{{{NS}}}track")]
        assert tracks == [
            ("presenter/source+partial", "0"),
            ("presenter/source+partial", "12500"),
            ("presentation/source", None),
            ("captions/source", None),
        ]
        # What was cut out of the lecture would still be in the files as recorded.
        Recording.open(folder).mark("cut", 1.0, **{"from": 1.0, "to": 2.0})
        await self.fresh(site, folder)
        assert (await deliver(folder, config)).state == "verified"
        (event,) = site.fake.events.values()
        flavors = [t.get("type") for t in event["package"].iter(f"{{{NS}}}track")]
        assert flavors == ["presenter/source", "presentation/source", "captions/source"]

    @pytest.mark.parametrize(
        ("words", "more", "permits"),
        [
            ({}, {}, {("math-101_Learner", "read"), ("math-101_Instructor", "read"),
                      ("math-101_Instructor", "write")}),
            ({"visibility": "public"}, {}, {("ROLE_ANONYMOUS", "read")}),
            ({"visibility": "private"}, {}, set()),
            ({}, {"acl": {"{course}_TA": ["read"]}}, {("math-101_TA", "read")}),
        ],
    )  # fmt: skip
    async def test_who_may_see_it_goes_along(
        self, site: OpencastSite, make_recording: Any, words: Any, more: Any, permits: Any
    ) -> None:
        assert (await deliver(make_recording(**words), site.config(**more))).state == "verified"
        ((name, event),) = site.fake.events.items()
        attachment = event["package"].find(f".//{{{NS}}}attachment")
        assert attachment.get("type") == "security/xacml+episode"
        told = ET.fromstring(attachment.text)
        x = "{urn:oasis:names:tc:xacml:2.0:policy:schema:os}"
        values = [
            [v.text for v in rule.iter(f"{x}AttributeValue")] for rule in told.iter(f"{x}Rule")
        ]
        assert {(role, action) for action, role in filter(None, values)} == permits
        assert told.get("PolicyId") == name
        assert list(told.iter(f"{x}Rule"))[-1].get("Effect") == "Deny"

    async def test_the_workflow_is_the_scheduled_ones(
        self, site: OpencastSite, make_recording: Any
    ) -> None:
        prefix = "org.opencastproject.workflow."
        properties = {f"{prefix}definition": "fast", f"{prefix}config.publish": "no"}
        folder = make_recording(event="e1", timetable={"properties": properties})
        assert (await deliver(folder, site.config())).state == "verified"
        form = site.fake.events["e1"]["form"]
        assert (form["workflowDefinitionId"], form["publish"]) == ("fast", "no")

    async def test_the_agent_says_what_it_does(
        self, site: OpencastSite, make_recording: Any
    ) -> None:
        folder = make_recording(event="e1", life=Life.RECORDING)
        config = site.config(agent="r101")
        teller = AgentTeller(folder.parent, [config])
        news, inputs = teller.look()
        assert (news, inputs) == ({"e1": "capturing"}, ["cam", "slides"])
        await teller.tell(config, "capturing", inputs, news)
        Recording.open(folder).update(life=Life.READY)
        assert teller.look()[0] == {"e1": "capture_finished"}
        assert site.fake.agent == [("r101", "capturing"), ("r101", "configured")]
        assert site.fake.states == [("e1", "capturing")]
        async with create(config) as target:
            agent = CaptureAgent(target.web, site.proxy.url, "r101")  # type: ignore[attr-defined]
            assert [await agent.calendar(), await agent.calendar()] == ["BEGIN:VCALENDAR"] * 2
        assert site.fake.calendars == ["", '"1"']
        assert site.fake.refusals == []

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

"""Panopto against a strict fake.

Source: Panopto's upload-python-sample (session, multipart into UploadTarget, manifest, State 1,
states while it is processed, 403 for a token that ran out) and the description of its REST API for
sessions and their captions (multipart, with a language by Panopto's name; not listed by language).
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import Answer, Fake, Request
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import HttpTargetContract, deliver

from publishing.delivery import DeliveryWorker
from publishing.metadata import correct
from publishing.target import TargetConfig
from recorder.recording import PRODUCTS

UCS = "{http://tempuri.org/UniversalCaptureSpecification/v1}"
PART = 5 << 20


class FakePanopto(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.token = 0
        self.uploads: dict[str, dict[str, Any]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.next = 0
        self.polls = 0
        self.takes_in = 0
        self.duration = 40.0

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        verb = f"{request.method} {request.path.removeprefix('/Panopto')}"
        if request.path.startswith("/Panopto/Upload/"):
            return self._s3(request, request.path.removeprefix("/Panopto/Upload/"))
        if verb == "POST /oauth2/connect/token":
            client = b64decode(request.headers["authorization"].removeprefix("Basic "))
            form = request.form
            if client != b"client:word" or form["password"] != "word" or form["scope"] != "api":
                return Answer(400, {"error": "invalid_grant"})
            self.token += 1
            return Answer(200, {"access_token": f"at{self.token}"})
        if request.headers.get("authorization") != f"Bearer at{self.token}":
            return Answer(403)
        if verb == "POST /PublicAPI/REST/sessionUpload":
            if request.json != {"FolderId": "guid"}:
                return self.refuse("no such folder")
            self.next += 1
            name = f"up{self.next}"
            target = f"{self.base}/Panopto/Upload/{name}"
            self.uploads[name] = {"ID": name, "UploadTarget": target, "State": 0, "polls": 0,
                                  "FolderId": "guid"}  # fmt: skip
            return Answer(201, self._shown(name))
        if about := re.fullmatch(r"(GET|PUT) /PublicAPI/REST/sessionUpload/(\w+)", verb):
            if about[2] not in self.uploads:
                return Answer(404)
            return self._finish(request, about[2]) if about[1] == "PUT" else self._poll(about[2])
        if verb == "GET /api/v1/sessions/search":
            term = request.query["searchQuery"]
            found = [s for s in self.sessions.values() if term in s["Description"]]
            shown = [{k: v for k, v in self._session(s).items() if k != "Urls"} for s in found]
            return Answer(200, {"Results": shown})
        if about := re.fullmatch(r"POST /api/v1/sessions/(\w+)/captions", verb):
            return self._caption(request, about[1])
        if about := re.fullmatch(r"(GET|PUT|DELETE) /api/v1/sessions/(\w+)", verb):
            session = self.sessions.get(about[2])
            if session is None:
                return Answer(404)
            if about[1] == "PUT":
                session.update(request.json)
            if about[1] == "DELETE":
                del self.sessions[about[2]]
                return Answer(200)
            return Answer(200, self._session(session))
        return self.refuse(verb, 404)

    def _session(self, session: dict[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in session.items() if key not in ("data", "captions")}
        if session["captions"]:
            self.takes_in -= 1
            url = f"{self.base}/captions" if self.takes_in < 0 else ""
            shown["Urls"] = {"ViewerUrl": f"{self.base}/viewer", "CaptionDownloadUrl": url}
        return shown

    def _caption(self, request: Request, name: str) -> Answer:
        fields, file = request.parts()
        if name not in self.sessions:
            return Answer(404)
        if (fields.name, fields.text) not in (("language", "English_USA"), ("language", "French")):
            return self.refuse(f"captions in {fields.text}")
        if not (file.filename or "").endswith((".vtt", ".srt")):
            return self.refuse(f"captions called {file.filename}")
        self.sessions[name]["captions"][fields.text] = file.data
        return Answer(200)

    def _shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.uploads[name].items() if key != "polls"}

    def _finish(self, request: Request, name: str) -> Answer:
        upload = self.uploads[name]
        told = request.json
        if set(told) < {"ID", "UploadTarget", "FolderId", "State"} or told["State"] != 1:
            return self.refuse("PUT wants the whole object with State 1")
        manifests = [k for k in self.objects if k.startswith(f"{name}/") and k.endswith(".xml")]
        if upload["State"] != 0 or len(manifests) != 1:
            return self.refuse(f"finished with {manifests}")
        ucs = ET.fromstring(self.objects[manifests[0]])
        file = ucs.findtext(f".//{UCS}Video/{UCS}File")
        if f"{name}/{file}" not in self.objects:
            return self.refuse(f"the manifest names {file}, which is not there")
        session = f"s{name}"
        self.sessions[session] = {
            "Id": session, "Name": ucs.findtext(f"{UCS}Title"), "Duration": self.duration,
            "Description": ucs.findtext(f"{UCS}Description"),
            "data": self.objects[f"{name}/{file}"],
            "captions": {},
            "TOC": [e.findtext(f"{UCS}Title") for e in ucs.iter(f"{UCS}Entry")],
        }  # fmt: skip
        upload |= {"State": 3, "polls": self.polls, "SessionId": session}
        return Answer(200, self._shown(name))

    def _poll(self, name: str) -> Answer:
        upload = self.uploads[name]
        if upload["State"] == 3:
            upload["polls"] -= 1
            upload["State"] = 3 if upload["polls"] >= 0 else 4
        return Answer(200, self._shown(name))

    def _s3(self, request: Request, path: str) -> Answer:
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            return self.refuse("not signed with version 4", 403)
        name, _, file = path.partition("/")
        query, key = request.query, f"{name}/{file}"
        if request.method == "POST" and "uploads" in query:
            self.next += 1
            self.parts[f"mp{self.next}"] = {}
            return _xml(f"<R><UploadId>mp{self.next}</UploadId></R>")
        if "uploadId" in query and query["uploadId"] not in self.parts:
            return Answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        if request.method == "PUT" and "uploadId" in query:
            if len(request.body) > 25 << 20:
                return self.refuse("a part over 25 MB")
            self.parts[query["uploadId"]][int(query["partNumber"])] = request.body
            tag = hashlib.md5(request.body).hexdigest()
            return Answer(200, b"", {"etag": f'"{tag}"'})
        if request.method == "POST":
            tags = re.findall(r"<PartNumber>(\d+)</PartNumber>", request.body.decode())
            parts = self.parts.pop(query["uploadId"])
            if [int(tag) for tag in tags] != sorted(parts):
                return self.refuse("completed with other parts")
            self.objects[key] = b"".join(data for _, data in sorted(parts.items()))
            return _xml("<CompleteMultipartUploadResult/>")
        if request.method == "PUT":
            self.objects[key] = request.body
            return Answer(200)
        return self.refuse(f"{request.method} {path}: Panopto's server knows uploads only")


def _xml(text: str) -> Answer:
    return Answer(200, text.encode(), {"content-type": "application/xml"})


class PanoptoSite(FakeSite[FakePanopto]):
    resumes = True
    chunk = PART
    lecture_bytes = PART + 100_000
    unauthorised = Fault("status", status=403)

    def config(self, **more: Any) -> TargetConfig:
        more = {"folder": "guid", "part_mb": 5, **more}
        return TargetConfig(
            id="pan", target="panopto", url=self.proxy.url, client_id="client", user="room",
            client_secret=f"file:{self.secret}", secret=f"file:{self.secret}", **more,
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for session in self.fake.sessions.values():
            found.setdefault("lecture.mp4", []).append(session["data"])
            for text in session["captions"].values():
                found.setdefault("captions.en.vtt", []).append(text)
        return found

    async def words(self) -> tuple[str, str]:
        (session,) = self.fake.sessions.values()
        return session["Name"], ""

    async def wipe(self) -> None:
        self.fake.sessions, self.fake.uploads = {}, {}
        self.fake.parts, self.fake.objects = {}, {}

    async def damage(self, name: str) -> None:
        await self.wipe()


class TestPanopto(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[PanoptoSite]:
        async with opened(PanoptoSite(FakePanopto(), tmp_path / "secret"), "word") as site:
            yield site

    async def test_the_session_says_what_it_is(self, site: PanoptoSite, folder: Path) -> None:
        status = await deliver(folder, site.config())
        (session,) = site.fake.sessions.values()
        assert session["Name"] == "Calculus: limits"
        assert session["TOC"] == ["Limits", "Sums"]
        assert "Recording rec0001 (" in session["Description"]
        assert status.receipt is not None
        assert status.receipt["how"] == "duration"

    async def test_another_duration_is_no_proof(self, site: PanoptoSite, folder: Path) -> None:
        site.fake.duration = 12.0
        status = await deliver(folder, site.config())
        assert (status.state, "12 s" in status.detail) == ("failed", True)

    async def test_a_token_that_ran_out_is_renewed(self, site: PanoptoSite, folder: Path) -> None:
        given = site.fake.token

        def expire(seen: Any) -> None:
            nonlocal given
            if "sessionUpload" in seen.path and given != site.fake.token:
                site.fake.token += 1
                given = site.fake.token + 1  # the one that the client gets next stays good once

        site.proxy.always = expire
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_processing_is_waited_for(self, site: PanoptoSite, folder: Path) -> None:
        site.fake.polls = 3
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_captions_are_there_when_the_session_shows_them(
        self, site: PanoptoSite, folder: Path
    ) -> None:
        site.fake.takes_in = 2
        status = await deliver(folder, self.kept(site), tries=2)
        assert (status.state, status.receipt) == ("verifying", None)
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        assert site.fake.takes_in < 0

    async def test_captions_of_an_upload_that_is_long_forgotten_are_corrected(
        self, site: PanoptoSite, folder: Path
    ) -> None:
        await deliver(folder, self.kept(site))
        site.fake.uploads = {}
        (folder / PRODUCTS / "captions.en.vtt").write_text("WEBVTT\n")
        site.proxy.reset()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        assert site.proxy.body_bytes < 10_000

    async def test_what_is_no_longer_there_goes(self, site: PanoptoSite, folder: Path) -> None:
        """Panopto has no call that deletes captions; a person is told to."""
        await deliver(folder, self.kept(site))
        (folder / PRODUCTS / "captions.en.vtt").unlink()
        status = await deliver(folder, self.kept(site))
        assert (status.state, "Delete the captions" in status.remedy) == ("failed", True)
        for session in site.fake.sessions.values():
            session["captions"] = {}
        assert (await deliver(folder, self.kept(site))).state == "verified"

    async def test_a_private_recording_is_not_sent(self, site: PanoptoSite, folder: Path) -> None:
        correct(folder, visibility="private")
        status = await deliver(folder, site.config())
        assert (status.state, "private" in status.detail) == ("failed", True)
        assert site.fake.uploads == {}

    async def test_withdrawn_means_deleted(self, site: PanoptoSite, folder: Path) -> None:
        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "pan")
        assert (await worker.withdraw(folder, "pan")).state == "withdrawn"
        assert site.fake.sessions == {}

"""Kaltura against a strict fake.

Source: Kaltura API v3 reference: errors are HTTP 200, chunks are appended at `resumeAt` (first
resume=0 and -1), an entry without content has status 7, a caption asset without content status 0.
"""

from __future__ import annotations

import json
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


class FakeKaltura(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.captions: dict[str, dict[str, Any]] = {}
        self.next = 0
        self.polls = 0
        self.ends = 2
        self.sizes = True
        self.points: dict[str, dict[str, Any]] = {}
        self.has_points = True

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        _, api, _, service, _, action = request.path.split("/")
        if request.method != "POST" or api != "api_v3":
            return self.refuse(request.path, 404)
        if (service, action) == ("uploadToken", "upload"):
            return Answer(200, self._upload(request))
        told = request.json
        if told.get("format") != 1:
            return self.refuse("not asked for JSON")
        if (service, action) == ("session", "start"):
            good = told["secret"] == "word" and told["partnerId"] == 101 and told["type"] == 2
            return Answer(200, "ks1" if good else _error("START_SESSION_ERROR"))
        if told.get("ks") != "ks1":
            return Answer(200, _error("INVALID_KS"))
        return Answer(200, getattr(self, f"{service}_{action}")(told))

    def _new(self) -> str:
        self.next += 1
        return f"0_{self.next}"

    def media_list(self, told: dict[str, Any]) -> Any:
        wanted = told["filter"]["referenceIdEqual"]
        found = [e for e in self.entries.values() if e["referenceId"] == wanted]
        for entry in found:
            if entry["status"] != 7:
                entry["polls"] -= 1
                entry["status"] = 1 if entry["polls"] >= 0 else self.ends
        return {"objects": [{k: v for k, v in e.items() if k != "data"} for e in found]}

    def media_add(self, told: dict[str, Any]) -> Any:
        entry = {**told["entry"], "id": self._new(), "status": 7, "msDuration": 40_000}
        self.entries[entry["id"]] = entry
        return entry

    def media_update(self, told: dict[str, Any]) -> Any:
        self.entries[told["entryId"]].update(told["mediaEntry"])
        return {"id": told["entryId"]}

    def media_delete(self, told: dict[str, Any]) -> Any:
        del self.entries[told["entryId"]]

    def media_addContent(self, told: dict[str, Any]) -> Any:
        token = self.tokens[told["resource"]["token"]]
        entry = self.entries[told["entryId"]]
        if entry["status"] != 7 or token["status"] != 2:
            return _error("ENTRY_ALREADY_WITH_CONTENT")
        token["status"] = 3
        entry |= {"data": token["data"], "status": 1, "polls": self.polls}
        return {"id": entry["id"]}

    def flavorAsset_list(self, told: dict[str, Any]) -> Any:
        data = self.entries[told["filter"]["entryIdEqual"]]["data"]
        size = {"sizeInBytes": str(len(data))} if self.sizes else {}
        return {"objects": [{"isOriginal": False}, {"isOriginal": True, **size}]}

    def uploadToken_add(self, told: dict[str, Any]) -> Any:
        token = {"id": self._new(), "status": 0, "data": b"",
                 "size": told["uploadToken"]["fileSize"]}  # fmt: skip
        self.tokens[token["id"]] = token
        return {"id": token["id"], "status": 0}

    def uploadToken_get(self, told: dict[str, Any]) -> Any:
        token = self.tokens.get(told["uploadTokenId"])
        if token is None:
            return _error("UPLOAD_TOKEN_NOT_FOUND")
        return {"id": token["id"], "status": token["status"],
                "uploadedFileSize": len(token["data"])}  # fmt: skip

    def _upload(self, request: Request) -> Any:
        parts = request.parts()
        told = {part.name: part.text for part in parts[:-1]}
        token = self.tokens[told["uploadTokenId"]]
        if told["ks"] != "ks1" or parts[-1].name != "fileData":
            return self.refusals.append("upload without ks or file") or _error("INVALID_KS")
        first = told["resume"] == "0"
        if first != (told["resumeAt"] == "-1") or first != (not token["data"]):
            return _error("UPLOAD_TOKEN_CANNOT_RESUME")
        if not first and int(told["resumeAt"]) != len(token["data"]):
            return _error("UPLOAD_TOKEN_RESUMING_INVALID_POSITION")
        token["data"] += parts[-1].data
        if told["finalChunk"] == "1":
            if len(token["data"]) != token["size"]:
                return _error("UPLOAD_TOKEN_CANNOT_MATCH_EXPECTED_SIZE")
            token["status"] = 2
        else:
            token["status"] = 1
        return {"id": token["id"], "status": token["status"]}

    def cuepoint_cuePoint_list(self, told: dict[str, Any]) -> Any:
        if not self.has_points:
            return _error("SERVICE_DOES_NOT_EXISTS")
        entry, tag = told["filter"]["entryIdEqual"], told["filter"]["tagsLike"]
        points = [p for p in self.points.values() if p["entryId"] == entry and tag in p["tags"]]
        return {"objects": points, "totalCount": len(points)}

    def cuepoint_cuePoint_add(self, told: dict[str, Any]) -> Any:
        point = {**told["cuePoint"], "id": self._new()}
        self.points[point["id"]] = point
        return point

    def cuepoint_cuePoint_delete(self, told: dict[str, Any]) -> Any:
        found = self.points.pop(told["id"], None)
        return _error("INVALID_CUE_POINT_NOT_FOUND") if found is None else True

    def caption_captionAsset_list(self, told: dict[str, Any]) -> Any:
        entry = told["filter"]["entryIdEqual"]
        return {"objects": [{k: v for k, v in c.items() if k != "text"}
                            for c in self.captions.values() if c["entry"] == entry]}  # fmt: skip

    def caption_captionAsset_add(self, told: dict[str, Any]) -> Any:
        asset = {**told["captionAsset"], "id": self._new(), "entry": told["entryId"], "status": 0}
        self.captions[asset["id"]] = asset
        return asset

    def caption_captionAsset_setContent(self, told: dict[str, Any]) -> Any:
        asset = self.captions[told["id"]]
        asset |= {"text": told["contentResource"]["content"].encode(), "status": 2}
        return {"id": asset["id"]}

    def caption_captionAsset_delete(self, told: dict[str, Any]) -> Any:
        del self.captions[told["captionAssetId"]]


def _error(code: str) -> dict[str, str]:
    return {"objectType": "KalturaAPIException", "code": code, "message": f"about {code}"}


class KalturaSite(FakeSite[FakeKaltura]):
    resumes = True
    chunk = 256 << 10
    quota = Fault("status", status=200, body=json.dumps(_error("QUOTA_EXCEEDED")).encode())
    unauthorised = Fault("status", status=200, body=json.dumps(_error("INVALID_KS")).encode())

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="kms", target="kaltura", url=self.proxy.url, partner_id=101,
            secret=f"file:{self.secret}", **{"chunk_mb": 0.25, **more},
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for name, entry in self.fake.entries.items():
            found.setdefault("lecture.mp4", []).append(entry.get("data", b""))
            for asset in self.fake.captions.values():
                if asset["entry"] == name:
                    found.setdefault("captions.en.vtt", []).append(asset.get("text", b""))
        return found

    async def words(self) -> tuple[str, str]:
        (entry,) = self.fake.entries.values()
        return entry["name"], ""

    async def wipe(self) -> None:
        self.fake.entries, self.fake.tokens, self.fake.captions = {}, {}, {}
        self.fake.points = {}

    async def damage(self, name: str) -> None:
        self.fake.entries = {}


class TestKaltura(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[KalturaSite]:
        async with opened(KalturaSite(FakeKaltura(), tmp_path / "secret"), "word") as site:
            yield site

    async def test_the_entry_says_what_it_is(self, site: KalturaSite, folder: Path) -> None:
        status = await deliver(folder, site.config(category="Lectures>2026"))
        (entry,) = site.fake.entries.values()
        assert (entry["name"], entry["referenceId"]) == ("Calculus: limits", "rec0001")
        assert entry["categories"] == "Lectures>2026"
        assert "0:20 Sums" in entry["description"]
        (asset,) = site.fake.captions.values()
        assert (asset["language"], asset["format"]) == ("English", 3)
        assert status.receipt is not None
        assert status.receipt["how"] == "size"

    async def test_chapters_are_kalturas_own_and_follow(
        self, site: KalturaSite, folder: Path
    ) -> None:
        def told() -> list[tuple[int, str]]:
            return [(p["startTime"], p["title"]) for p in site.fake.points.values()]

        await deliver(folder, site.config())
        assert told() == [(0, "Limits"), (20_000, "Sums")]
        assert {point["subType"] for point in site.fake.points.values()} == {2}
        (entry,) = site.fake.entries
        theirs = {"id": "x", "entryId": entry, "startTime": 5, "title": "Mine", "tags": "lecturer"}
        site.fake.points["x"] = theirs
        correct(folder, chapters=[(0.0, "Limits"), (12.5, "Series")])
        assert (await deliver(folder, site.config())).state == "verified"
        assert sorted(told()) == [(0, "Limits"), (5, "Mine"), (12_500, "Series")]
        site.fake.has_points = False
        await self.fresh(site, folder)
        assert (await deliver(folder, site.config())).state == "verified"

    async def test_without_sizes_the_duration_is_the_proof(
        self, site: KalturaSite, folder: Path
    ) -> None:
        site.fake.sizes = False
        status = await deliver(folder, site.config())
        assert status.receipt is not None
        assert status.receipt["how"] == "duration"

    async def test_processing_is_waited_for_and_failure_told(
        self, site: KalturaSite, folder: Path
    ) -> None:
        site.fake.polls = 3
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        await self.fresh(site, folder)
        site.fake.polls, site.fake.ends = 0, -1
        status = await deliver(folder, site.config())
        assert (status.state, "management console" in status.remedy) == ("failed", True)

    async def test_a_private_recording_is_not_sent(self, site: KalturaSite, folder: Path) -> None:
        correct(folder, visibility="private")
        status = await deliver(folder, site.config())
        assert (status.state, "private" in status.detail) == ("failed", True)
        assert site.fake.entries == {}

    async def test_withdrawn_means_deleted(self, site: KalturaSite, folder: Path) -> None:
        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "kms")
        assert (await worker.withdraw(folder, "kms")).state == "withdrawn"
        assert site.fake.entries == {}

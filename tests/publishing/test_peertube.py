"""PeerTube against a strict fake.

Sources: PeerTube's OpenAPI description (upload-resumable, users/me/videos, captions, chapters,
source; states 1 published, 2 to transcode, 7 transcoding failed) and node-uploadx's proto.md.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_resumable import Session, Sessions
from fake_server import Answer, Fake, Request
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import HttpTargetContract, deliver

from publishing.target import TargetConfig

JSON = {"content-type": "application/json"}


class FakePeerTube(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.uploads = Sessions(keeps=1)
        self.videos: dict[int, dict[str, Any]] = {}
        self.next = 40
        self.polls = 0
        self.fails = False
        self.keeps_source = True

    async def answer(self, request: Request) -> Answer:
        verb = f"{request.method} {request.path.removeprefix('/api/v1')}"
        if not request.whole and not verb.startswith("PUT /videos/upload-resumable"):
            return Answer()
        if verb == "GET /oauth-clients/local":
            return Answer(200, {"client_id": "c", "client_secret": "s"})
        if verb == "POST /users/token":
            form = request.form
            good = (form["username"], form["password"], form["client_id"]) == ("room", "word", "c")
            return Answer(200, {"access_token": "at"}) if good else Answer(400, {"code": "x"})
        if request.headers.get("authorization") != "Bearer at":
            return Answer(401)
        if verb == "GET /video-channels/lectures":
            return Answer(200, {"id": 5})
        if verb.startswith("GET /video-channels/"):
            return Answer(404)
        if verb == "POST /videos/upload-resumable":
            words = request.json
            if not {"channelId", "filename", "name"} <= set(words) or words["channelId"] != 5:
                return self.refuse(f"upload with {words}")
            name = self.uploads.begin(request)
            # node-uploadx answers with an address that has no host.
            location = f"/api/v1/videos/upload-resumable?upload_id={name}"
            return Answer(201, b"", {"location": location})
        if verb == "PUT /videos/upload-resumable":
            done = self.uploads.put(request.query["upload_id"], request)
            return self._made(done) if isinstance(done, Session) else done
        if verb == "GET /users/me/videos":
            start = int(request.query["start"])
            found = [{"id": n, "description": v["description"][:250]}
                     for n, v in reversed(self.videos.items())]  # fmt: skip
            return Answer(200, {"total": len(found), "data": found[start : start + 50]})
        if about := re.fullmatch(r"(\w+) /videos/(\d+)(/[\w/-]+)?", verb):
            return self._video(request, about[1], int(about[2]), about[3] or "")
        return self.refuse(verb, 404)

    def _made(self, session: Session) -> Answer:
        if session.done is None:
            self.next += 1
            session.done = self.next
            self.videos[self.next] = {
                **session.words, "data": session.data, "captions": {}, "polls": self.polls
            }  # fmt: skip
        return Answer(200, {"video": {"id": session.done, "uuid": f"u{session.done}"}})

    def _video(self, request: Request, method: str, number: int, rest: str) -> Answer:
        video = self.videos.get(number)
        if video is None:
            return Answer(404)
        if method == "PUT" and rest.startswith("/captions/"):
            (part,) = request.parts()
            assert part.name == "captionfile"
            video["captions"][rest.rpartition("/")[2]] = part.data
            return Answer(204)
        if method == "DELETE" and rest.startswith("/captions/"):
            found = video["captions"].pop(rest.rpartition("/")[2], None)
            return Answer(404 if found is None else 204)
        if method == "PUT" and rest == "/chapters":
            video["chapters"] = request.json["chapters"]
            return Answer(204)
        if method == "GET" and rest == "/captions":
            return Answer(200, {"data": [{"language": {"id": x}} for x in video["captions"]]})
        if method == "GET" and rest == "/source":
            size = {"size": len(video["data"])}
            return Answer(200, size) if self.keeps_source else Answer(404)
        if method == "GET" and not rest:
            video["polls"] -= 1
            state = 7 if self.fails else 2 if video["polls"] >= 0 else 1
            told = {"id": number, "uuid": f"u{number}", "shortUUID": f"s{number}",
                    "duration": 40, "state": {"id": state, "label": "state"}}  # fmt: skip
            return Answer(200, told)
        if method == "PUT" and not rest:
            video.update(request.json)
            return Answer(204)
        if method == "DELETE" and not rest:
            del self.videos[number]
            return Answer(204)
        return self.refuse(f"{method} {rest}")


class PeerTubeSite(FakeSite[FakePeerTube]):
    resumes = True
    chunk = 256 << 10
    quota = Fault("status", status=413, body=b'{"code": "quota_reached"}', headers=JSON)
    unauthorised = Fault("status", status=403)

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="tube", target="peertube", url=self.proxy.url, user="room",
            secret=f"file:{self.secret}", **{"channel": "lectures", "chunk_mb": 0.25, **more},
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == self.fake.uploads.refusals == []
        found: dict[str, list[bytes]] = {}
        for video in self.fake.videos.values():
            found.setdefault("lecture.mp4", []).append(video["data"])
            for language, text in video["captions"].items():
                found.setdefault(f"captions.{language}.vtt", []).append(text)
        return found

    async def words(self) -> tuple[str, str]:
        (video,) = self.fake.videos.values()
        return video["name"], {1: "public", 2: "unlisted", 3: "private"}[video["privacy"]]

    async def wipe(self) -> None:
        self.fake.videos = {}
        self.fake.uploads.sessions.clear()

    async def damage(self, name: str) -> None:
        await self.wipe()


class TestPeerTube(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[PeerTubeSite]:
        async with opened(PeerTubeSite(FakePeerTube(), tmp_path / "secret"), "word") as site:
            yield site

    async def test_the_video_says_what_it_is(self, site: PeerTubeSite, folder: Path) -> None:
        status = await deliver(folder, site.config())
        (video,) = site.fake.videos.values()
        assert (video["name"], video["privacy"]) == ("Calculus: limits", 2)
        assert (video["language"], video["licence"], video["category"]) == ("en", 1, 13)
        assert video["description"].startswith("Recording rec0001")
        assert video["chapters"] == [{"timecode": 0, "title": "Limits"},
                                     {"timecode": 20, "title": "Sums"}]  # fmt: skip
        assert status.receipt is not None
        assert status.receipt["how"] == "size"
        assert "/w/s" in status.receipt["place"]

    async def test_without_the_source_the_duration_is_the_proof(
        self, site: PeerTubeSite, folder: Path
    ) -> None:
        site.fake.keeps_source = False
        status = await deliver(folder, site.config())
        assert status.receipt is not None
        assert status.receipt["how"] == "duration"

    async def test_a_failed_transcoding_is_told(self, site: PeerTubeSite, folder: Path) -> None:
        site.fake.fails = True
        status = await deliver(folder, site.config())
        assert (status.state, "jobs" in status.remedy) == ("failed", True)

    async def test_processing_is_waited_for(self, site: PeerTubeSite, folder: Path) -> None:
        site.fake.polls = 3
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_an_unknown_channel_and_a_wrong_password_are_told(
        self, site: PeerTubeSite, folder: Path
    ) -> None:
        status = await deliver(folder, site.config(channel="nobody"))
        assert (status.state, "nobody" in status.detail) == ("failed", True)
        site.secret.write_text("guess")
        status = await deliver(folder, site.config())
        assert "refused the login" in status.detail

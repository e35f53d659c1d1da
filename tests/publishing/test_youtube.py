"""YouTube against a strict fake.

Sources: YouTube Data API v3 reference and "Resumable Uploads" (308 and Range, units of 256 KiB, a
finished session answers its resource again), Google's OAuth 2.0 for the refresh of tokens.
"""

from __future__ import annotations

import os
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

from publishing.ahead import Ahead
from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig
from recorder.recording import PRODUCTS, Life, Recording

QUOTA = b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}'
JSON = {"content-type": "application/json"}


class FakeYouTube(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.uploads = Sessions()
        self.videos: dict[str, dict[str, Any]] = {}
        self.captions: dict[str, dict[str, bytes]] = {}
        self.playlist: list[str] = []
        self.tokens = 0
        self.token = ""
        self.polls = 0
        self.refused = ""
        self.made = 0

    async def answer(self, request: Request) -> Answer:
        verb = f"{request.method} {request.path}"
        if not request.whole and not request.path.startswith("/session/"):
            return Answer()
        if verb == "POST /token":
            form = request.form
            if (form["grant_type"], form["refresh_token"]) != ("refresh_token", "refresh"):
                return Answer(400, {"error": "invalid_grant"})
            self.tokens += 1
            self.token = f"access{self.tokens}"
            return Answer(200, {"access_token": self.token, "expires_in": 3599})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(401)
        if verb == "POST /upload/youtube/v3/videos":
            assert request.query == {"uploadType": "resumable", "part": "snippet,status"}
            name = self.uploads.begin(request)
            return Answer(200, b"", {"location": f"{self.base}/session/{name}"})
        if verb.startswith("DELETE /session/"):
            self.uploads.sessions.pop(request.path.rpartition("/")[2], None)
            return Answer(499)
        if verb.startswith("PUT /session/"):
            done = self.uploads.put(request.path.rpartition("/")[2], request)
            return self._made(done) if isinstance(done, Session) else done
        if verb in ("POST /upload/youtube/v3/captions", "PUT /upload/youtube/v3/captions"):
            return self._caption(request)
        if verb == "DELETE /youtube/v3/captions":
            video, _, language = request.query["id"].partition(":")
            gone = self.captions.get(video, {}).pop(language, None)
            return Answer(404 if gone is None else 204)
        if verb == "GET /youtube/v3/captions":
            found = self.captions.get(request.query["videoId"], {})
            video = request.query["videoId"]
            items = [{"id": f"{video}:{x}", "snippet": {"language": x, "trackKind": "standard"}}
                     for x in found]  # fmt: skip
            return Answer(200, {"items": items})
        if verb == "GET /youtube/v3/channels":
            lists = {"relatedPlaylists": {"uploads": "UU1"}}
            return Answer(200, {"items": [{"contentDetails": lists}]})
        if verb == "GET /youtube/v3/playlistItems":
            return self._listed(request.query)
        if verb == "POST /youtube/v3/playlistItems":
            self.playlist.append(request.json["snippet"]["resourceId"]["videoId"])
            return Answer(200, {})
        if verb == "GET /youtube/v3/videos":
            return self._video(request.query["id"])
        if verb == "PUT /youtube/v3/videos":
            told = request.json
            assert request.query == {"part": "snippet,status"}
            assert told["snippet"]["categoryId"]  # YouTube demands it with every title
            self.videos[told.pop("id")].update(told)
            return Answer(200, {})
        if verb == "DELETE /youtube/v3/videos":
            return Answer(204 if self.videos.pop(request.query["id"], None) else 404)
        return self.refuse(verb, 404)

    def _made(self, session: Session) -> Answer:
        if session.done is None:
            self.made += 1
            session.done = f"vid{self.made}"
            self.videos[session.done] = {**session.words, "data": session.data,
                                         "polls": self.polls}  # fmt: skip
        return Answer(201, {"id": session.done})

    def _caption(self, request: Request) -> Answer:
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        _, told, text, _ = request.body.split(b"--" + boundary)
        again = request.method == "PUT"
        names = rb'"id": "(\w+):(\w+)"' if again else rb'"videoId": "(\w+)", "language": "(\w+)"'
        match = re.search(names, told)
        assert match
        video, language = match[1].decode(), match[2].decode()
        held = self.captions.setdefault(video, {})
        if (language in held) != again:
            return Answer(404 if again else 409)
        held[language] = text.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        return Answer(200, {})

    def _listed(self, query: dict[str, str]) -> Answer:
        videos = list(self.videos)[::-1]
        if query["playlistId"] != "UU1":
            videos = [video for video in self.playlist if video == query["videoId"]]
        items = [{"snippet": {"resourceId": {"videoId": video},
                              "description": self.videos[video]["snippet"]["description"]}}
                 for video in videos]  # fmt: skip
        return Answer(200, {"items": items})

    def _video(self, name: str) -> Answer:
        video = self.videos.get(name)
        if video is None:
            return Answer(200, {"items": []})
        video["polls"] -= 1
        status = {"uploadStatus": "uploaded" if video["polls"] >= 0 else "processed"}
        if self.refused:
            status = {"uploadStatus": "rejected", "rejectionReason": self.refused}
        details = {"duration": "PT40S"}
        size = {"fileSize": str(len(video["data"]))}
        return Answer(200, {"items": [
            {"status": status, "contentDetails": details, "fileDetails": size}]})  # fmt: skip


class YouTubeSite(FakeSite[FakeYouTube]):
    resumes = True
    chunk = 256 << 10
    quota = Fault("status", status=403, body=QUOTA, headers=JSON)
    unauthorised = Fault("status", status=403)

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="yt", target="youtube", client_id="client", client_secret=f"file:{self.secret}",
            secret=f"file:{self.secret}", url=self.proxy.url, oauth_url=f"{self.proxy.url}/token",
            **{"chunk_mb": 0.25, **more},
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == self.fake.uploads.refusals == []
        found: dict[str, list[bytes]] = {}
        for name, video in self.fake.videos.items():
            found.setdefault("lecture.mp4", []).append(video["data"])
            for language, text in self.fake.captions.get(name, {}).items():
                found.setdefault(f"captions.{language}.vtt", []).append(text)
        return found

    async def words(self) -> tuple[str, str]:
        (video,) = self.fake.videos.values()
        return video["snippet"]["title"], video["status"]["privacyStatus"]

    async def wipe(self) -> None:
        self.fake.videos, self.fake.captions = {}, {}
        self.fake.uploads.sessions.clear()

    async def damage(self, name: str) -> None:
        await self.wipe()


class TestYouTube(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[YouTubeSite]:
        async with opened(YouTubeSite(FakeYouTube(), tmp_path / "secret"), "refresh") as site:
            yield site

    async def test_the_video_says_what_it_is(self, site: YouTubeSite, folder: Path) -> None:
        status = await deliver(folder, site.config(playlist="PL1"))
        (video,) = site.fake.videos.values()
        assert video["snippet"]["title"] == "Calculus: limits"
        assert video["snippet"]["defaultAudioLanguage"] == "en"
        assert "0:00 Limits\n0:20 Sums" in video["snippet"]["description"]
        assert video["snippet"]["description"].endswith("Recording rec0001")
        assert video["status"] == {"privacyStatus": "unlisted", "license": "creativeCommon",
                                   "selfDeclaredMadeForKids": False}  # fmt: skip
        assert site.fake.playlist == list(site.fake.videos)
        assert status.receipt is not None
        assert status.receipt["how"] == "size"
        assert status.receipt["place"].startswith("https://www.youtube.com/watch?v=vid")

    @pytest.mark.parametrize(
        ("visibility", "privacy"),
        [("private", "private"), ("course", "unlisted"), ("public", "public")],
    )
    async def test_visibility_is_never_widened(
        self, site: YouTubeSite, folder: Path, visibility: str, privacy: str
    ) -> None:
        (folder / "products/metadata.json").write_text(f'{{"visibility": "{visibility}"}}')
        await deliver(folder, site.config())
        (video,) = site.fake.videos.values()
        assert video["status"]["privacyStatus"] == privacy

    async def test_processing_is_waited_for(self, site: YouTubeSite, folder: Path) -> None:
        site.fake.polls = 3
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_a_rejected_video_is_told(self, site: YouTubeSite, folder: Path) -> None:
        site.fake.refused = "duplicate"
        status = await deliver(folder, site.config())
        assert (status.state, status.next_try) == ("failed", None)
        assert "duplicate" in status.detail

    async def test_a_token_that_ran_out_is_renewed(self, site: YouTubeSite, folder: Path) -> None:
        def expire(seen: Any) -> None:
            if len(site.proxy.seen) in (4, 6, 9):
                site.fake.token = "another"

        site.proxy.always = expire
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_a_revoked_grant_is_blocked(self, site: YouTubeSite, folder: Path) -> None:
        site.secret.write_text("revoked")
        status = await deliver(folder, site.config())
        assert (status.state, "[[publish]] yt" in status.remedy) == ("failed", True)

    async def test_a_forgotten_session_begins_anew(self, site: YouTubeSite, folder: Path) -> None:
        requests = await self.requests(site, folder)
        biggest = max(requests, key=lambda one: one[1])
        await self.fresh(site, folder)
        site.proxy.faults = {biggest[0]: Fault("cut", after=1000)}
        await deliver(folder, self.kept(site), tries=1)
        site.fake.uploads.sessions.clear()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_withdrawn_means_deleted(self, site: YouTubeSite, folder: Path) -> None:
        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "yt")
        assert (await worker.withdraw(folder, "yt")).state == "withdrawn"
        assert site.fake.videos == {}

    async def test_begun_during_class_its_length_is_told_at_the_end(
        self, site: YouTubeSite, make_recording: Any
    ) -> None:
        folder = make_recording(life=Life.RECORDING, consent=True)
        lecture = folder / PRODUCTS / "lecture.mp4"
        lecture.unlink()
        part = folder / PRODUCTS / "parts/lecture-001.mp4"
        part.parent.mkdir()
        head = b"\0" * 36 + (8).to_bytes(4, "big") + b"free" + b"\0" * 28
        ahead = Ahead(folder.parent, [], lambda _: ())
        part.write_bytes(head)
        grown = b""
        for size in (300_000, 100_000, 400_000):
            grown += os.urandom(size)
            part.write_bytes(head + grown)
            await ahead.round(folder, site.config(during_class=True))
        (session,) = site.fake.uploads.sessions.values()
        assert len(session.data) == 3 * (256 << 10)
        assert site.fake.videos == {}  # nothing is there to be seen
        length = (36 + len(grown)).to_bytes(4, "big")
        part.write_bytes(head[:36] + length + b"mdat" + head[44:] + grown + b"index")
        part.replace(lecture)
        Recording.open(folder).update(life=Life.READY)
        before = site.proxy.body_bytes
        status = await deliver(folder, site.config(products=("lecture",)))
        assert status.state == "verified", status.detail
        (video,) = site.fake.videos.values()
        assert video["data"] == head + grown
        assert site.proxy.body_bytes - before < 100_000
        assert site.fake.refusals == site.fake.uploads.refusals == []

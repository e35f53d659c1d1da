"""Canvas against a strict fake.

Source: Canvas LMS REST API documentation, "Uploading Files" (upload_params in their order and the
file last, no token to the file store, the redirect followed with the token), Files, Modules.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_server import Answer, Fake, Request
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import HttpTargetContract, deliver

from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig

QUOTA = b'{"message": "file size exceeds quota limits"}'


class FakeCanvas(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.files: dict[int, dict[str, Any]] = {}
        self.waiting: dict[str, dict[str, str]] = {}
        self.items: list[dict[str, Any]] = []
        self.next = 0
        self.plays = True
        self.tracks: dict[str, str] = {}

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        verb, token = f"{request.method} {request.path}", request.headers.get("authorization")
        if verb == "POST /store":
            return self._store(request, token)
        if request.path.startswith("/download/"):
            if token:
                return self.refuse("the token reached the file store")
            file = self.files[int(request.path.rpartition("/")[2])]
            return Answer(200, file["data"]) if request.method == "GET" else Answer(405)
        if token != "Bearer token":
            return Answer(401, {"errors": [{"message": "Invalid access token."}]})
        if verb == "GET /api/v1/courses/sis_course_id:math-101":
            return Answer(200, {"id": 9})
        if verb.startswith("GET /api/v1/courses/sis_course_id:"):
            return Answer(404)
        if verb == "GET /api/v1/courses/9/files":
            return self._list(request)
        if verb == "POST /api/v1/courses/9/files":
            return self._begin(request.form)
        if verb.startswith("GET /api/v1/files/") and verb.endswith("/create_success"):
            if request.headers.get("content-length") != "0":
                return self.refuse("the redirect is followed with Content-Length: 0")
            return Answer(200, self._told(int(request.path.split("/")[4])))
        if verb.startswith("DELETE /api/v1/files/"):
            return Answer(200 if self.files.pop(int(request.path.split("/")[4]), None) else 404)
        if request.path.startswith("/files/"):
            number = request.path.split("/")[2]
            return Answer(302, b"", {"location": f"{self.base}/download/{number}"})
        if (verb.startswith("PUT /api/v1/media_attachments/")) and verb.endswith("/media_tracks"):
            number = int(request.path.split("/")[4])
            if not self.plays or number not in self.files:
                return Answer(404)
            self.tracks = {track["locale"]: track["content"] for track in request.json}
            return Answer(200, [])
        if verb == "GET /api/v1/courses/9/modules":
            return Answer(200, [{"id": 3, "name": "Recordings"}])
        if verb == "GET /api/v1/courses/9/modules/3/items":
            return Answer(200, self.items)
        if verb == "POST /api/v1/courses/9/modules/3/items":
            form = request.form
            self.items.append({"content_id": int(form["module_item[content_id]"]),
                               "title": form["module_item[title]"]})  # fmt: skip
            return Answer(200, self.items[-1])
        return self.refuse(verb, 404)

    def _told(self, number: int) -> dict[str, Any]:
        file = self.files[number]
        return {"id": number, "display_name": file["name"], "size": len(file["data"]),
                "url": f"{self.base}/files/{number}/download?verifier=x",
                "upload_status": "success"}  # fmt: skip

    def _list(self, request: Request) -> Answer:
        """One file a page, so that the Link header must be followed; the search finds too much."""
        page = int(request.query.get("page", 1))
        if "search_term" not in request.query:
            return self.refuse("every file of the course is asked for")
        found = list(self.files)
        headers = {}
        if page < len(found):
            address = f"{self.base}{request.path}?search_term=x&page={page + 1}"
            headers["link"] = f'<{address}>; rel="next"'
        return Answer(200, [self._told(n) for n in found[page - 1 : page]], headers)

    def _begin(self, form: dict[str, str]) -> Answer:
        if form.get("on_duplicate") != "overwrite" or "parent_folder_path" not in form:
            return self.refuse(f"first step with {form}")
        key = f"key{len(self.waiting)}"
        self.waiting[key] = form
        params = {"Filename": form["name"], "key": key, "content-type": form["content_type"]}
        return Answer(200, {"upload_url": f"{self.base}/store", "upload_params": params,
                            "file_param": "attachment"})  # fmt: skip

    def _store(self, request: Request, token: str | None) -> Answer:
        parts = request.parts()
        if token:
            return self.refuse("the token reached the file store")
        if [part.name for part in parts] != ["Filename", "key", "content-type", "attachment"]:
            return self.refuse(f"parts in the order {[part.name for part in parts]}")
        form, data = self.waiting[parts[1].text], parts[3].data
        if len(data) != int(form["size"]):
            return self.refuse("another size than was told")
        for number, file in list(self.files.items()):
            if file["name"] == form["name"]:
                del self.files[number]
        self.next += 1
        self.files[self.next] = {"name": form["name"], "data": data, "folder":
                                 form["parent_folder_path"]}  # fmt: skip
        where = f"{self.base}/api/v1/files/{self.next}/create_success?uuid=u"
        return Answer(303, b"", {"location": where})


class CanvasSite(FakeSite[FakeCanvas]):
    quota = Fault("status", status=400, body=QUOTA)

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="canvas", target="canvas", url=self.proxy.url, secret=f"file:{self.secret}", **more
        )

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for file in self.fake.files.values():
            kind = "captions.en.vtt" if file["name"].endswith(".vtt") else "lecture.mp4"
            found.setdefault(kind, []).append(file["data"])
        return found

    async def wipe(self) -> None:
        self.fake.files, self.fake.items = {}, []

    async def damage(self, name: str) -> None:
        for file in self.fake.files.values():
            if file["name"].endswith(".mp4"):
                file["data"] = file["data"][:-1] + b"?"


class TestCanvas(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[CanvasSite]:
        async with opened(CanvasSite(FakeCanvas(), tmp_path / "secret"), "token") as site:
            yield site

    async def test_captions_stand_in_canvas_own_player(
        self, site: CanvasSite, folder: Path
    ) -> None:
        assert (await deliver(folder, site.config())).state == "verified"
        assert site.fake.tracks == {"en": "1\n00:00:01,000 --> 00:00:04,000\nGood morning.\n"}
        site.fake.plays = False
        await self.fresh(site, folder)
        assert (await deliver(folder, site.config())).state == "verified"

    async def test_a_full_platform_says_what_to_do(self, site: CanvasSite, folder: Path) -> None:
        refused = Fault("status", status=400, body=QUOTA)
        site.proxy.always = lambda seen: refused if seen.method == "POST" else None
        status = await deliver(folder, self.kept(site))
        assert (status.state, "quota" in status.remedy) == ("failed", True)

    async def test_students_find_it_in_the_module(self, site: CanvasSite, folder: Path) -> None:
        status = await deliver(folder, site.config(module="Recordings"))
        assert status.state == "verified"
        assert [item["title"] for item in site.fake.items] == ["Calculus: limits"]
        names = sorted(file["name"] for file in site.fake.files.values())
        assert names == ["2026-03-02 Calculus- limits rec0001 captions.en.vtt",
                         "2026-03-02 Calculus- limits rec0001.mp4"]  # fmt: skip
        assert {file["folder"] for file in site.fake.files.values()} == {"Lectures"}
        (folder / "deliveries/canvas.json").unlink()
        await deliver(folder, site.config(module="Recordings"))
        assert len(site.fake.items) == 1

    async def test_unknown_course_and_module_are_told(
        self, site: CanvasSite, make_recording: Any
    ) -> None:
        status = await deliver(make_recording(course="art-9"), site.config())
        assert (status.state, "sis_course_id:art-9" in status.detail) == ("failed", True)
        status = await deliver(make_recording(), site.config(module="Nowhere"))
        assert (status.state, "Nowhere" in status.detail) == ("failed", True)

    async def test_withdrawn_means_deleted(self, site: CanvasSite, folder: Path) -> None:
        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "canvas")
        assert (await worker.withdraw(folder, "canvas")).state == "withdrawn"
        assert site.fake.files == {}

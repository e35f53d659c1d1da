"""Canvas against a strict fake.

Source: Canvas LMS REST API documentation, "Uploading Files" (upload_params in their order and the
file last, no token to the file store, the redirect followed with the token), Files, Modules, Media
Tracks; and of its `Attachment`: a file that overwrites another takes over its module items.
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
from publishing.metadata import correct
from publishing.target import TargetConfig
from recorder.recording import PRODUCTS

QUOTA = b'{"message": "file size exceeds quota limits"}'


class FakeCanvas(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.files: dict[int, dict[str, Any]] = {}
        self.waiting: dict[str, dict[str, str]] = {}
        self.items: list[dict[str, Any]] = []
        self.next = 0
        self.plays = True
        self.preparing = 0
        self.tracks: dict[str, str] = {}
        self.tracks_of = 0

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
        if verb == "GET /api/v1/courses/sis_course_id:math-102":
            return Answer(200, {"id": 10})
        if verb.startswith("GET /api/v1/courses/sis_course_id:"):
            return Answer(404)
        if verb in ("GET /api/v1/courses/9/files", "GET /api/v1/courses/10/files"):
            return self._list(request, int(request.path.split("/")[4]))
        if verb in ("POST /api/v1/courses/9/files", "POST /api/v1/courses/10/files"):
            return self._begin({**request.form, "course": request.path.split("/")[4]})
        if verb.startswith("PUT /api/v1/files/"):
            return self._change(int(request.path.split("/")[4]), request.form)
        if verb.startswith("GET /api/v1/files/") and verb.endswith("/create_success"):
            if request.headers.get("content-length") != "0":
                return self.refuse("the redirect is followed with Content-Length: 0")
            return Answer(200, self._told(int(request.path.split("/")[4])))
        if verb.startswith("DELETE /api/v1/files/"):
            return Answer(200 if self.files.pop(int(request.path.split("/")[4]), None) else 404)
        if request.path.startswith("/files/"):
            number = request.path.split("/")[2]
            return Answer(302, b"", {"location": f"{self.base}/download/{number}"})
        if request.path.startswith("/api/v1/media_attachments/") and verb.endswith("/media_tracks"):
            number = int(request.path.split("/")[4])
            if self.preparing or not self.plays or number not in self.files:
                self.preparing = max(0, self.preparing - 1)
                return Answer(404)
            if self.tracks_of != number:
                self.tracks, self.tracks_of = {}, number  # a file that overwrote has none yet
            if request.method == "GET":
                return Answer(200, [{"id": 1, "locale": locale} for locale in self.tracks])
            self.tracks = {track["locale"]: track["content"] for track in request.json}
            return Answer(200, [])
        if verb == "GET /api/v1/courses/9/modules":
            return Answer(200, [{"id": 3, "name": "Recordings"}])
        if verb == "GET /api/v1/courses/9/modules/3/items":
            return Answer(200, self.items)
        if verb == "POST /api/v1/courses/9/modules/3/items":
            form = request.form
            content = int(form["module_item[content_id]"])
            title = form["module_item[title]"]
            item = {"id": len(self.items) + 70, "content_id": content, "title": title}
            self.items.append(item)
            return Answer(200, self.items[-1])
        if verb.startswith("PUT /api/v1/courses/9/modules/3/items/"):
            (item,) = [one for one in self.items if verb.endswith(f"/{one['id']}")]
            item["title"] = request.form["module_item[title]"]
            return Answer(200, item)
        return self.refuse(verb, 404)

    def _change(self, number: int, form: dict[str, str]) -> Answer:
        if number not in self.files:
            return Answer(404)
        file = self.files[number]
        file["name"] = form.get("name", file["name"])
        file["locked"] = form.get("locked", str(file["locked"])).lower() == "true"
        return Answer(200, self._told(number))

    def _told(self, number: int) -> dict[str, Any]:
        file = self.files[number]
        return {"id": number, "display_name": file["name"], "size": len(file["data"]),
                "url": f"{self.base}/files/{number}/download?verifier=x", "locked": file["locked"],
                "media_entry_id": "maybe" if self.preparing else f"m-{number}",
                "upload_status": "success"}  # fmt: skip

    def _list(self, request: Request, course: int) -> Answer:
        """One file a page, so that the Link header must be followed; the search finds too much."""
        page = int(request.query.get("page", 1))
        if "search_term" not in request.query:
            return self.refuse("every file of the course is asked for")
        found = [number for number, file in self.files.items() if file["course"] == course]
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
            if (file["name"], file["course"]) == (form["name"], int(form["course"])):
                del self.files[number]
                for item in self.items:
                    if item["content_id"] == number:
                        item["content_id"] = self.next + 1
        self.next += 1
        self.files[self.next] = {"name": form["name"], "data": data, "locked": False,
                                 "course": int(form["course"]),
                                 "folder": form["parent_folder_path"]}  # fmt: skip
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

    async def words(self) -> tuple[str, str]:
        (name,) = [file["name"] for file in self.fake.files.values() if ".mp4" in file["name"]]
        return name.removeprefix("2026-03-02 ").removesuffix(" rec0001.mp4"), ""

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

    async def test_the_player_gets_its_captions_when_it_is_ready(
        self, site: CanvasSite, folder: Path
    ) -> None:
        site.fake.preparing = 3
        status = await deliver(folder, site.config(), tries=1)
        assert (status.state, status.receipt) == ("verifying", None)
        await self.arrived_once(site, folder, await deliver(folder, site.config()))
        assert list(site.fake.tracks) == ["en"]

    async def test_a_correction_changes_what_is_there_and_nothing_doubles(
        self, site: CanvasSite, folder: Path
    ) -> None:
        config = site.config(module="Recordings", products=site.products)
        await deliver(folder, config)
        correct(folder, title="Another title")
        (folder / PRODUCTS / "lecture.mp4").write_bytes(b"trimmed" * 1000)
        (folder / PRODUCTS / "captions.en.vtt").rename(folder / PRODUCTS / "captions.fr.vtt")
        assert (await deliver(folder, config)).state == "verified"
        names = sorted(file["name"] for file in site.fake.files.values())
        assert names == ["2026-03-02 Another title rec0001 captions.fr.vtt",
                         "2026-03-02 Another title rec0001.mp4"]  # fmt: skip
        assert [item["title"] for item in site.fake.items] == ["Another title"]
        assert [item["content_id"] in site.fake.files for item in site.fake.items] == [True]
        assert list(site.fake.tracks) == ["fr"]

    async def test_a_correction_arrives_once_through_faults(
        self, site: CanvasSite, folder: Path
    ) -> None:
        config, number = site.config(module="Recordings", products=site.products), 0
        while True:
            await self.fresh(site, folder)
            correct(folder, title=None)
            await deliver(folder, config)
            correct(folder, title="Another title")
            (folder / PRODUCTS / "captions.en.vtt").write_text(f"WEBVTT\n\n{number}\n")
            site.proxy.reset()
            site.proxy.faults = {number: Fault("lost")}
            await self.arrived_once(site, folder, await deliver(folder, config))
            assert await site.words() == ("Another title", "")
            assert [item["title"] for item in site.fake.items] == ["Another title"]
            if number >= site.proxy.asked:
                break
            number += 1

    async def test_a_corrected_course_moves_the_files(self, site: CanvasSite, folder: Path) -> None:
        await deliver(folder, self.kept(site))
        correct(folder, course="math-102")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        assert {file["course"] for file in site.fake.files.values()} == {10}

    async def test_what_became_private_is_locked_until_it_is_not(
        self, site: CanvasSite, folder: Path
    ) -> None:
        await deliver(folder, self.kept(site))
        correct(folder, visibility="private")
        status = await deliver(folder, self.kept(site))
        assert (status.state, "private" in status.detail) == ("failed", True)
        assert [file["locked"] for file in site.fake.files.values()] == [True, True]
        correct(folder, visibility=None)
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        assert [file["locked"] for file in site.fake.files.values()] == [False, False]

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

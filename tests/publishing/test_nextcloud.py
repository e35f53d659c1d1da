"""Nextcloud's chunked upload, against a fake as strict as its manual.

Source of the fake: Nextcloud developer manual, client APIs, WebDAV, "Chunked file upload" (v2),
and rclone issue 6133 for 423 while an upload is assembled.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fake_server import Answer, Fake, Request
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import HttpTargetContract, deliver

from publishing.target import TargetConfig

MIB = 1 << 20


class FakeNextcloud(Fake):
    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.folders = {""}
        self.uploads: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.locked_moves = 0

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        if request.headers.get("authorization") != (
            "Basic " + base64.b64encode(b"room:app-word").decode()
        ):
            return Answer(401)
        top, _, path = request.path.removeprefix("/remote.php/dav/").partition("/room")
        path = path.strip("/")
        if top == "files":
            return self._file(request, path)
        if top == "uploads":
            return self._upload(request, *path.partition("/")[::2])
        return self.refuse(f"no such address: {request.path}", 404)

    def _file(self, request: Request, path: str) -> Answer:
        parent = path.rpartition("/")[0]
        match request.method:
            case "PROPFIND" if path in self.files:
                return _listing([(request.path, self.files[path])])
            case "PROPFIND":
                return Answer(404)
            case "MKCOL" if path in self.folders:
                return Answer(405)
            case "MKCOL" if parent not in self.folders:
                return Answer(409)
            case "MKCOL":
                self.folders.add(path)
                return Answer(201)
            case "PUT" if parent not in self.folders:
                return Answer(409)
            case "PUT":
                self.files[path] = request.body
                return Answer(201)
            case "GET" if path in self.files:
                return Answer(200, self.files[path])
            case "DELETE":
                return Answer(204 if self.files.pop(path, None) is not None else 404)
        return Answer(404)

    def _upload(self, request: Request, name: str, chunk: str) -> Answer:
        destination = unquote(urlsplit(request.headers.get("destination", "")).path)
        if request.method in ("MKCOL", "PUT", "MOVE"):
            if not destination.startswith("/remote.php/dav/files/room/"):
                return self.refuse(f"{request.method} without a Destination")
            destination = destination.removeprefix("/remote.php/dav/files/room/")
        if request.method == "MKCOL" and not chunk:
            if name in self.uploads:
                return Answer(405)
            self.uploads[name] = (destination, {})
            return Answer(201)
        if name not in self.uploads:
            return Answer(404)
        wanted, chunks = self.uploads[name]
        if request.method == "PROPFIND":
            if request.headers.get("depth") != "1":
                return self.refuse("PROPFIND without Depth: 1")
            return _listing([(request.path + "/", None)] + [
                (f"{request.path}/{n}", data) for n, data in chunks.items()])  # fmt: skip
        if destination != wanted:
            return self.refuse("another Destination than MKCOL had")
        total = int(request.headers.get("oc-total-length", -1))
        if request.method == "PUT":
            if not (chunk.isdigit() and len(chunk) == 5 and 1 <= int(chunk) <= 10_000):
                return self.refuse(f"chunk name {chunk!r}")
            if total < 0:
                return self.refuse("chunk without OC-Total-Length")
            chunks[chunk] = request.body
            return Answer(201)
        if request.method == "MOVE" and chunk == ".file":
            if self.locked_moves:
                self.locked_moves -= 1
                return Answer(423)
            data = b"".join(data for _, data in sorted(chunks.items()))
            small = [n for n, c in sorted(chunks.items())[:-1] if len(c) < 5 * MIB]
            if small:
                return self.refuse(f"chunks under 5 MB that are not the last: {small}")
            if len(data) != total:
                return self.refuse("chunks do not add up to OC-Total-Length")
            self.files[destination] = data
            del self.uploads[name]
            return Answer(201)
        return self.refuse(f"{request.method} {chunk}")


def _listing(entries: list[tuple[str, bytes | None]]) -> Answer:
    body = '<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">'
    for href, data in entries:
        props = "<d:resourcetype><d:collection/></d:resourcetype>"
        if data is not None:
            tag = hash(data)
            props = (
                f"<d:getcontentlength>{len(data)}</d:getcontentlength>"
                f'<d:getetag>"{tag}"</d:getetag><d:resourcetype/>'
            )
        body += (
            f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{props}</d:prop>"
            "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    return Answer(207, (body + "</d:multistatus>").encode(), {"content-type": "application/xml"})


class NextcloudSite(FakeSite[FakeNextcloud]):
    resumes = True
    chunk = 5 * MIB
    lecture_bytes = 5 * MIB + 100_000
    quota = Fault("status", status=507)

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="cloud", target="nextcloud", url=self.proxy.url, user="room",
            secret=f"file:{self.secret}", **{"chunk_mb": 5, **more},
        )  # fmt: skip

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for path, data in self.fake.files.items():
            found.setdefault(path.rpartition("/")[2], []).append(data)
        return found

    async def wipe(self) -> None:
        self.fake.files, self.fake.folders, self.fake.uploads = {}, {""}, {}

    async def damage(self, name: str) -> None:
        for path, data in self.fake.files.items():
            if path.endswith(name):
                self.fake.files[path] = data[:-1] + b"?"


class TestNextcloud(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[NextcloudSite]:
        async with opened(NextcloudSite(FakeNextcloud(), tmp_path / "secret"), "app-word") as site:
            yield site

    async def test_locked_while_assembling(self, site: NextcloudSite, folder: Path) -> None:
        site.fake.locked_moves = 2
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        self.within_the_allowance(site, folder, faults=0)

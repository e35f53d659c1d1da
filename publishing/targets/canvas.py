"""Canvas: the three steps of a file upload, then a module item so that students find it.

Source: Canvas LMS REST API documentation (file uploads, files, courses, modules, media tracks), and
its `Attachment`: a file that overwrites one of the same name takes over its module items, and
`media_entry_id` is "maybe" until the player knows it. So a corrected file is renamed before it is
overwritten, and captions are given to the player when it can take them.
"""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

import httpx

from publishing import multipart
from publishing.http import Url, Web
from publishing.metadata import for_a_course
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.target import (
    ArrivedFile,
    ErrorKind,
    Options,
    Receipt,
    SecretRef,
    Target,
    TargetError,
    secret,
)
from publishing.targets.canvas_files import name_of, names_one_of, newest, srt

_PLAYER_S = 3600.0
_REDIRECTS = (301, 302, 303, 307, 308)


class CanvasOptions(Options):
    """`secret` is an access token of a user who may manage files in the course.

    `match`: the timetable's course is Canvas's SIS id, or its own number. `course` names one fixed
    course. `module` is the module that gets an item for the lecture; empty adds none.
    """

    url: Url
    secret: SecretRef
    match: Literal["sis", "id"] = "sis"
    course: str = ""
    folder: str = "Lectures"
    module: str = ""
    proof: Literal["hash", "size"] = "hash"
    ca_file: str | None = None


class Canvas(Target):
    """Files in the course's own file area; the same name again replaces, so nothing doubles."""

    name = "canvas"
    schema: ClassVar[type[Options]] = CanvasOptions
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS})
    options: CanvasOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web(
            "Canvas",
            refused_hint=f"Check `secret` of [[publish]] {self.id}, and that its user may manage "
            "files in this course.",
            ca_file=self.options.ca_file,
        )
        self._bearer = {"authorization": f"Bearer {secret(self.options.secret)}"}
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        course = await self._course(shipment)
        await self._hide(shipment, course)
        lecture = None
        files = await self._files(shipment, course)
        for product in shipment.products:
            note = shipment.note(product)
            there = newest(files, shipment, product)
            if there is not None:
                await self._rename(shipment, product, there)
            fresh = there is not None and there["id"] != note.get("stale")
            if there is None or there["size"] != product.size or not fresh:
                there = await self._upload(shipment, course, product)
                note.pop("stale", None)
                note["at"] = time.time()
            shipment.at(product, product.size)
            lecture = there if product.kind is Kind.LECTURE else lecture
        if lecture:
            await self._tracks(shipment, lecture["id"])
            await self._item(course, lecture, shipment.metadata.title)

    async def verify(self, shipment: Shipment) -> Receipt:
        course = await self._course(shipment)
        held = await self._files(shipment, course)
        files = []
        for product in shipment.products:
            there = newest(held, shipment, product)
            if there is None:
                raise TargetError(ErrorKind.ABSENT, f"{product.name} is not in Canvas yet.")
            if there.get("upload_status", "success") == "pending":
                raise TargetError(ErrorKind.WAIT, "Canvas is still storing the file.")
            digest = None
            same = there["size"] == product.size
            if same and self.options.proof == "hash":
                digest = await self._digest(there["url"])
                same = digest == await shipment.digest(product)
            if not same:
                shipment.note(product)["stale"] = there["id"]
                await shipment.save()
                raise TargetError(
                    ErrorKind.ABSENT, f"{product.name} in Canvas is not what was sent."
                )
            if product.kind is Kind.LECTURE:
                await self._plays(shipment, there)
            shipment.at(product, product.size)
            files.append(
                ArrivedFile(
                    name=product.name,
                    size=there["size"],
                    digest=f"sha256:{digest}" if digest else None,
                    place=f"{self.options.url}/courses/{course}/files/{there['id']}",
                )
            )
        await self._tidy(shipment, held)
        return Receipt(target=self.id, how=self.options.proof, files=files, place=files[0].place)

    async def reword(self, shipment: Shipment) -> None:
        course = await self._course(shipment)
        await self._hide(shipment, course)
        files = await self._files(shipment, course)
        for product in shipment.products:
            if there := newest(files, shipment, product):
                await self._rename(shipment, product, there)
                if product.kind is Kind.LECTURE:
                    await self._item(course, there, shipment.metadata.title)

    async def withdraw(self, shipment: Shipment) -> None:
        course = await self._course(shipment)
        files = await self._files(shipment, course)
        names = {product.name for product in shipment.products}
        for file in files:
            if names_one_of(file, shipment, names | set(shipment.notes.get("placed", ()))):
                await self._delete(file["id"])
        await shipment.delete_older(self._delete)

    # -- the steps ----------------------------------------------------------------------------

    async def _course(self, shipment: Shipment) -> int:
        name = self.options.course or shipment.metadata.course
        if not name:
            raise TargetError(
                ErrorKind.BLOCKED,
                "The recording belongs to no course.",
                "Set its course on the review page, or `course` of this target.",
            )
        number = f"sis_course_id:{name}" if self.options.match == "sis" else name
        url = f"{self.options.url}/api/v1/courses/{quote(number, safe=':')}"
        answer = await self.ask("GET", url, ok=(200, 404))
        if answer.status_code == 404:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Canvas has no course {number}, or this user may not see it.",
                "Set the course's SIS id, or enrol the token's user as a teacher.",
            )
        course = int(answer.json()["id"])
        before = shipment.notes.get("course")
        if before != course:
            if before is not None:  # it was corrected: what stands in the other course goes
                for file in await self._files(shipment, before):
                    if names_one_of(file, shipment, shipment.notes.get("placed", ())):
                        shipment.older.append(file["id"])
            shipment.notes["course"] = course
            await shipment.save()
        return course

    async def _files(self, shipment: Shipment, course: int) -> list[dict[str, Any]]:
        """The course's files with this recording's id in their names, the newest first."""
        wanted = re.compile(rf"\b{re.escape(shipment.metadata.recording)}\b")
        url = f"{self.options.url}/api/v1/courses/{course}/files"
        params = {"search_term": shipment.metadata.recording, "per_page": "50"}
        found = [f for f in await self._list(url, params) if wanted.search(f["display_name"])]
        return sorted(found, key=lambda file: int(file["id"]), reverse=True)

    async def _list(self, url: str, params: dict[str, str]) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        answer = await self.ask("GET", url, params=params)
        found += answer.json()
        while following := answer.links.get("next", {}).get("url"):
            answer = await self.ask("GET", following)
            found += answer.json()
        return found

    async def _rename(self, shipment: Shipment, product: Product, file: dict[str, Any]) -> None:
        """Its name follows the words; what we hid is shown again."""
        change: dict[str, str] = {}
        if file["display_name"] != (name := name_of(shipment, product)):
            change |= {"name": name, "on_duplicate": "overwrite"}
        if hidden := file["id"] in shipment.notes.get("hidden", []):
            change["locked"] = "false"
        if change:
            await self.ask("PUT", f"{self.options.url}/api/v1/files/{file['id']}", data=change)
        if hidden:
            shipment.notes["hidden"].remove(file["id"])
            await shipment.save()

    async def _hide(self, shipment: Shipment, course: int) -> None:
        """Lock what became private: then only who manages the course's files can see it."""
        try:
            for_a_course(shipment.metadata)
        except TargetError:
            hidden: list[Any] = shipment.notes.setdefault("hidden", [])
            for file in await self._files(shipment, course):
                mine = names_one_of(file, shipment, [one.name for one in shipment.products])
                if mine and not file.get("locked") and file["id"] not in hidden:
                    hidden.append(file["id"])
                    await shipment.save()
                if file["id"] in hidden:
                    url = f"{self.options.url}/api/v1/files/{file['id']}"
                    await self.ask("PUT", url, data={"locked": "true"})
            raise

    async def _tidy(self, shipment: Shipment, held: list[dict[str, Any]]) -> None:
        """Delete what is proved to be older: of another course, of another time, products gone."""
        now = {product.name for product in shipment.products}
        ours = now | set(shipment.notes.get("placed", ()))
        kept = [newest(held, shipment, product) for product in shipment.products]
        for file in held:
            if file not in kept and names_one_of(file, shipment, ours):
                await self._delete(file["id"])
        await shipment.delete_older(self._delete)
        shipment.notes["placed"] = sorted(now)

    async def _delete(self, file: int) -> None:
        await self.ask("DELETE", f"{self.options.url}/api/v1/files/{file}", ok=(200, 404))

    async def _upload(self, shipment: Shipment, course: int, product: Product) -> dict[str, Any]:
        name = name_of(shipment, product)
        first = await self.ask(
            "POST",
            f"{self.options.url}/api/v1/courses/{course}/files",
            data={
                "name": name,
                "size": str(product.size),
                "content_type": product.media_type,
                "parent_folder_path": self.options.folder,
                "on_duplicate": "overwrite",
            },
        )
        told = first.json()
        form = multipart.body(
            shipment,
            [(key, str(value)) for key, value in told["upload_params"].items()],
            told.get("file_param") or "file",
            product,
            filename=name,
        )
        # The second step goes to the file store, which must not see the token.
        second = await self.web.ask(
            "POST",
            told["upload_url"],
            ok=(200, 201, *_REDIRECTS),
            content=form.content,
            headers=form.headers,
        )
        if "location" in second.headers:
            last = await self.ask(
                "GET", second.headers["location"], headers={"content-length": "0"}, ok=(200, 201)
            )
            return dict(last.json())
        return dict(second.json())

    async def _tracks(self, shipment: Shipment, file: int) -> None:
        """Captions in Canvas's own player (as SRT); a file that is no media there has none."""
        tracks = [
            {
                "locale": product.language,
                "kind": "subtitles",
                "content": srt((await shipment.read(product, 0, product.size)).decode()),
            }
            for product in shipment.of(Kind.CAPTIONS)
        ]
        if tracks:
            url = f"{self.options.url}/api/v1/media_attachments/{file}/media_tracks"
            await self.ask("PUT", url, json=tracks, ok=(200, 404))

    async def _plays(self, shipment: Shipment, file: dict[str, Any]) -> None:
        """Raise TargetError until the player has the captions, if it takes the file at all."""
        wanted = {product.language for product in shipment.of(Kind.CAPTIONS)}
        if not wanted:
            return
        url = f"{self.options.url}/api/v1/media_attachments/{file['id']}/media_tracks"
        answer = await self.ask("GET", url, ok=(200, 404))
        if answer.status_code == 200:
            if missing := wanted - {track["locale"] for track in answer.json()}:
                told = ", ".join(sorted(str(one) for one in missing))
                raise TargetError(ErrorKind.ABSENT, f"Canvas's player has no captions in {told}.")
        elif file.get("media_entry_id") == "maybe":
            sent = shipment.note(shipment.lecture).setdefault("at", time.time())
            if 0 <= time.time() - sent < _PLAYER_S:
                raise TargetError(ErrorKind.WAIT, "Canvas prepares the lecture for its player.")

    async def _digest(self, url: str) -> str:
        """SHA-256 of a file; the store behind Canvas is reached without the token."""
        headers: dict[str, str] | None = self._bearer
        for _ in range(5):
            answer = await self.web.ask(
                "HEAD", url, headers=headers, ok=(200, 403, 405, *_REDIRECTS)
            )
            if answer.status_code not in _REDIRECTS:
                break  # a signed address is good for GET only, and may refuse HEAD
            url, headers = str(answer.url.join(answer.headers["location"])), None
        return (await self.web.fingerprint(url, headers=headers))[1]

    async def _item(self, course: int, file: dict[str, Any], title: str) -> None:
        if not self.options.module:
            return
        base = f"{self.options.url}/api/v1/courses/{course}/modules"
        params = {"search_term": self.options.module, "per_page": "50"}
        found = [
            one
            for one in (await self.ask("GET", base, params=params)).json()
            if one["name"] == self.options.module
        ]
        if not found:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The course has no module {self.options.module}.",
                "Create it, or correct `module`.",
            )
        items = f"{base}/{found[0]['id']}/items"
        listed = await self._list(items, {"per_page": "100"})
        mine = [one for one in listed if one.get("content_id") == file["id"]]
        if mine and mine[0]["title"] != title:
            told = {"module_item[title]": title}
            await self.ask("PUT", f"{items}/{mine[0]['id']}", data=told)
        if not mine:
            item = {
                "module_item[title]": title,
                "module_item[type]": "File",
                "module_item[content_id]": str(file["id"]),
            }
            await self.ask("POST", items, data=item, ok=(200, 201))

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request with the token; a quota of the course becomes a remedy."""
        headers = {**self._bearer, **more.pop("headers", {})}
        ok = more.pop("ok", (200,))
        answer = await self.web.ask(method, url, ok=(*ok, 400), headers=headers, **more)
        if answer.status_code in ok:
            return answer
        if "quota" in answer.text.lower():
            raise TargetError(
                ErrorKind.BLOCKED,
                "The course's file quota in Canvas is used up.",
                "Raise the course's quota, or delete old files.",
            )
        raise self.web.refusal(answer)

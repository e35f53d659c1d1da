"""Canvas: the three steps of a file upload, then a module item so that students find it.

Source: Canvas LMS REST API documentation (file uploads, files, courses, modules, media objects).
"""

from __future__ import annotations

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
from publishing.targets.store import safe_name

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
        for_a_course(shipment.metadata)
        course = await self._course(shipment)
        lecture = None
        for product in shipment.products:
            there = await self._held(shipment, course, product)
            fresh = there is None or there["id"] != shipment.note(product).get("stale")
            if there is None or there["size"] != product.size or not fresh:
                there = await self._upload(shipment, course, product)
                shipment.note(product).pop("stale", None)
            shipment.at(product, product.size)
            lecture = there if product.kind is Kind.LECTURE else lecture
        if lecture:
            await self._tracks(shipment, lecture["id"])
        if self.options.module and lecture:
            await self._item(course, lecture, shipment.metadata.title)

    async def verify(self, shipment: Shipment) -> Receipt:
        course = await self._course(shipment)
        files = []
        for product in shipment.products:
            there = await self._held(shipment, course, product)
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
            shipment.at(product, product.size)
            files.append(
                ArrivedFile(
                    name=product.name,
                    size=there["size"],
                    digest=f"sha256:{digest}" if digest else None,
                    place=f"{self.options.url}/courses/{course}/files/{there['id']}",
                )
            )
        return Receipt(target=self.id, how=self.options.proof, files=files, place=files[0].place)

    async def reword(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)

    async def withdraw(self, shipment: Shipment) -> None:
        course = await self._course(shipment)
        for product in shipment.products:
            if there := await self._held(shipment, course, product):
                url = f"{self.options.url}/api/v1/files/{there['id']}"
                await self.ask("DELETE", url, ok=(200, 404))

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
        return int(answer.json()["id"])

    async def _held(
        self, shipment: Shipment, course: int, product: Product
    ) -> dict[str, Any] | None:
        """The file of this name in the course; search is by substring, so names are compared."""
        name = _name(shipment, product)
        url: str | None = f"{self.options.url}/api/v1/courses/{course}/files"
        params: dict[str, str] | None = {"search_term": name[:100], "per_page": "50"}
        while url:
            answer = await self.ask("GET", url, params=params)
            for file in answer.json():
                if file["display_name"] == name:
                    return dict(file)
            url, params = answer.links.get("next", {}).get("url"), None
        return None

    async def _upload(self, shipment: Shipment, course: int, product: Product) -> dict[str, Any]:
        name = _name(shipment, product)
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
        listed = (await self.ask("GET", items, params={"per_page": "100"})).json()
        if not any(item.get("content_id") == file["id"] for item in listed):
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


def srt(vtt: str) -> str:
    """WebVTT as SubRip: numbered cues, hours always, a comma before the milliseconds."""
    cues: list[str] = []
    for block in vtt.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        at = next((n for n, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            continue
        begin, _, end = lines[at].partition(" --> ")
        times = [_srt_time(begin), _srt_time(end.split(" ")[0])]
        cues.append("\n".join((str(len(cues) + 1), " --> ".join(times), *lines[at + 1 :])))
    return "\n\n".join(cues) + "\n"


def _srt_time(text: str) -> str:
    return ("00:" * (text.count(":") == 1) + text.strip()).replace(".", ",")


def _name(shipment: Shipment, product: Product) -> str:
    """One name for each recording and product: it is how the file is found again."""
    about = shipment.metadata
    stem, _, suffix = product.name.partition(".")
    kind = "" if product.kind is Kind.LECTURE else f" {stem}"
    return safe_name(f"{about.date} {about.title} {about.recording}{kind}.{suffix}")

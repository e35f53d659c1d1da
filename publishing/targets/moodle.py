"""Moodle, without any plugin: a draft upload, then a forum post with a player in it.

What is written here was exchanged with a running Moodle 4.5.6. Three things shape it: nearly every
error is HTTP 200, files over a limit are dropped without a word, and nothing is idempotent. So a
body is always read before it is believed, the post is asked for what it holds, and it is looked
for by its subject before a second one is made.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import Field

from publishing import multipart
from publishing.http import Url, Web
from publishing.metadata import Metadata, for_a_course
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
from publishing.targets import moodle_post

_FUNCTIONS = (
    "core_course_get_courses_by_field",
    "mod_forum_get_forums_by_courses",
    "mod_forum_get_forum_discussions",
    "mod_forum_get_discussion_posts",
    "mod_forum_add_discussion",
    "mod_forum_update_discussion_post",
)
_TOO_LARGE = ("fileoversized", "upload_error_ini_size", "upload_error_form_size")


class MoodleOptions(Options):
    """`secret` is a web service token of a user who teaches the course.

    `match` is the field of the course that the timetable's course name stands in; `course` names
    one fixed course instead. `forum` is a forum's name; empty is the course's Announcements.
    `review_url` is what is posted when the lecture is over Moodle's limit, with `{id}` in it.
    """

    url: Url
    secret: SecretRef
    match: Literal["idnumber", "shortname", "id"] = "idnumber"
    course: str = ""
    forum: str = ""
    subject: str = "{title} ({date})"
    review_url: str = ""
    proof: Literal["hash", "size"] = "hash"
    ca_file: str | None = None
    page: int = Field(100, ge=1, le=1000)


class Moodle(Target):
    """One discussion for each recording: player, captions, chapters, and what it is about."""

    name = "moodle"
    schema: ClassVar[type[Options]] = MoodleOptions
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS, Kind.POSTER})
    options: MoodleOptions
    web: Web

    async def __aenter__(self) -> Self:
        self._token = secret(self.options.secret)
        self.web = Web(
            "Moodle",
            refused_hint="Turn web services on in Moodle, and the REST protocol.",
            ca_file=self.options.ca_file,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        info = await self.call("core_webservice_get_site_info")
        offered = {function["name"] for function in info.get("functions", [])}
        if missing := [name for name in _FUNCTIONS if name not in offered]:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The token's service lacks {', '.join(missing)}.",
                "Use a token of the service moodle_mobile_app, or add these functions to yours.",
            )
        course = await self._course(shipment.metadata)
        forum = await self._forum(course["id"])
        shipment.notes["forum"] = forum
        limit = _limit(info.get("usermaxuploadfilesize"), course.get("maxbytes"))
        lecture = shipment.lecture
        if limit and lecture.size > limit:
            await self._post(shipment, forum, self._link(shipment, limit), draft=None)
            return
        draft, names = await self._draft(shipment)
        await self._post(shipment, forum, moodle_post.message(shipment, names), draft=draft)

    async def verify(self, shipment: Shipment) -> Receipt:
        found = await self._find(shipment)
        if found is None:
            raise TargetError(ErrorKind.ABSENT, "Moodle has no discussion about it yet.")
        told = await self.call(
            "mod_forum_get_discussion_posts",
            discussionid=found["discussion"],
            includeinlineattachments=1,
        )
        post = next((one for one in told["posts"] if one["id"] == found["post"]), None)
        if post is None:
            shipment.notes.pop("found", None)
            raise TargetError(ErrorKind.ABSENT, "The discussion has lost its first post.")
        place = f"{self.options.url}/mod/forum/discuss.php?d={found['discussion']}"
        if shipment.notes.get("linked") and self._review(shipment) in html.unescape(
            post["message"]
        ):
            files = [ArrivedFile(name="link", place=self._review(shipment))]
            return Receipt(target=self.id, how="size", files=files, place=place)
        held = {file["filename"]: file for file in post.get("messageinlinefiles", [])}
        names = shipment.notes.get("names", {})
        files = []
        for product in shipment.products:
            file = held.get(names.get(product.name, product.name))
            files.append(await self._compare(shipment, product, file))
        return Receipt(
            target=self.id,
            how=self.options.proof,
            files=files,
            place=place,
            reference=str(found["discussion"]),
        )

    async def reword(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)

    async def withdraw(self, shipment: Shipment) -> None:
        found = await self._find(shipment)
        if found is not None:
            await self.call("mod_forum_delete_post", postid=found["post"])

    # -- what Moodle is asked -----------------------------------------------------------------

    async def call(self, function: str, **parameters: Any) -> Any:
        """One web service function; an answer with `exception` raises TargetError."""
        answer = await self.web.ask(
            "POST",
            f"{self.options.url}/webservice/rest/server.php",
            params={"moodlewsrestformat": "json"},
            data={"wstoken": self._token, "wsfunction": function, **_flat(parameters)},
        )
        told = _json(answer)
        if isinstance(told, dict) and "exception" in told:
            raise self._refusal(told)
        return told

    async def _course(self, metadata: Metadata) -> dict[str, Any]:
        name = self.options.course or metadata.course
        if not name:
            raise TargetError(
                ErrorKind.BLOCKED,
                "The recording belongs to no course.",
                "Set its course on the review page, or `course` of this target.",
            )
        told = await self.call(
            "core_course_get_courses_by_field", field=self.options.match, value=name
        )
        for course in told["courses"]:
            if "maxbytes" in course:
                return dict(course)
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The token's user is not enrolled in the course {name}.",
                "Enrol it there as a teacher.",
            )
        raise TargetError(
            ErrorKind.BLOCKED,
            f"Moodle has no course whose {self.options.match} is {name!r}.",
            "Set it in the course's settings, or correct the timetable.",
        )

    async def _forum(self, course: int) -> int:
        forums = await self.call("mod_forum_get_forums_by_courses", courseids=[course])
        for forum in forums:
            wanted = self.options.forum
            if (forum["name"] == wanted) if wanted else (forum["type"] == "news"):
                return int(forum["id"])
        raise TargetError(
            ErrorKind.BLOCKED,
            f"The course has no forum {self.options.forum or 'for announcements'}.",
            "Create it, or correct `forum`.",
        )

    async def _find(self, shipment: Shipment) -> dict[str, int] | None:
        """The discussion about this recording: noted, or found by its subject and recording id."""
        if found := shipment.notes.get("found"):
            return dict(found)
        forum = shipment.notes.get("forum")
        if forum is None:
            forum = await self._forum((await self._course(shipment.metadata))["id"])
        subject, page = self._subject(shipment), 0
        while True:
            told = await self.call(
                "mod_forum_get_forum_discussions",
                forumid=forum,
                page=page,
                perpage=self.options.page,
            )
            for one in told["discussions"]:
                same = html.unescape(one["subject"]) == subject
                if same and moodle_post.mark(shipment.metadata) in one["message"]:
                    found = {"discussion": one["discussion"], "post": one["id"]}
                    shipment.notes["found"] = found
                    await shipment.save()
                    return found
            if len(told["discussions"]) < self.options.page:
                return None
            page += 1

    # -- what Moodle is given -----------------------------------------------------------------

    async def _draft(self, shipment: Shipment) -> tuple[int, dict[str, str]]:
        """All files in one draft area: its id, and the names that Moodle gave them."""
        stamps = {product.name: product.stamp for product in shipment.products}
        draft = shipment.notes.get("draft")
        if draft is None or draft["stamps"] != stamps or shipment.notes.get("used"):
            draft = {"id": 0, "names": {}, "stamps": stamps}
            shipment.notes["draft"], shipment.notes["used"] = draft, False
        for product in shipment.products:
            if product.name in draft["names"]:
                shipment.at(product, product.size)
                continue
            item, name = await self._upload(shipment, product, draft["id"])
            draft["id"] = draft["id"] or item
            draft["names"][product.name] = name
            await shipment.save()
        shipment.notes["names"] = draft["names"]
        return int(draft["id"]), dict(draft["names"])

    async def _upload(self, shipment: Shipment, product: Product, draft: int) -> tuple[int, str]:
        fields = [("token", self._token), ("itemid", str(draft)), ("filepath", "/")]
        form = multipart.body(shipment, fields, "file_1", product)
        answer = await self.web.ask(
            "POST",
            f"{self.options.url}/webservice/upload.php",
            content=form.content,
            headers=form.headers,
        )
        told = _json(answer)
        if isinstance(told, list) and told and "itemid" in told[0]:
            if int(told[0].get("filesize", product.size)) != product.size:
                raise TargetError(ErrorKind.RETRY, f"{product.name} did not arrive whole.")
            return int(told[0]["itemid"]), str(told[0]["filename"])
        problem = told[0] if isinstance(told, list) and told else told
        code = problem.get("errortype") or problem.get("errorcode") if problem else "missingparam"
        if code == "filenameexist" and draft:
            return draft, product.name  # an answer was lost; the receipt will tell what is there
        if code in _TOO_LARGE or code == "missingparam":
            raise TargetError(
                ErrorKind.PERMANENT,
                f"Moodle takes no file of {product.size} bytes ({code}).",
                "Raise `maxbytes` of site and course, and upload_max_filesize and post_max_size "
                "of PHP; or set `review_url`.",
            )
        raise self._refusal(problem)

    async def _post(self, shipment: Shipment, forum: int, message: str, draft: int | None) -> None:
        found = await self._find(shipment)
        options = [{"name": "inlineattachmentsid", "value": draft}] if draft else []
        # A draft area is emptied by nobody, but a damaged post wants its files sent anew.
        shipment.notes["used"] = True
        shipment.notes["linked"] = draft is None
        await shipment.save()
        if found is not None:
            await self.call(
                "mod_forum_update_discussion_post",
                postid=found["post"],
                subject=self._subject(shipment),
                message=message,
                messageformat=1,
                options=options,
            )
            return
        told = await self.call(
            "mod_forum_add_discussion",
            forumid=forum,
            subject=self._subject(shipment),
            message=message,
            options=options,
        )
        if not told.get("discussionid"):
            raise TargetError(ErrorKind.RETRY, "Moodle made no discussion and did not say why.")

    async def _compare(
        self, shipment: Shipment, product: Product, file: Mapping[str, Any] | None
    ) -> ArrivedFile:
        if file is None:
            raise TargetError(
                ErrorKind.ABSENT,
                f"Moodle dropped {product.name} without a word.",
                "Check the course's and the site's upload limits and the user's file quota.",
            )
        size = int(file["filesize"])
        if size != product.size:
            raise TargetError(ErrorKind.ABSENT, f"{product.name} has another size in Moodle.")
        digest = None
        if self.options.proof == "hash":
            url = file["fileurl"].replace("/webservice/pluginfile.php/", "/pluginfile.php/")
            # An error is HTTP 200 here too: only the bytes themselves count.
            _, digest = await self.web.fingerprint(
                url.replace("/pluginfile.php/", "/webservice/pluginfile.php/"),
                method="POST",
                data={"token": self._token},
            )
            if digest != await shipment.digest(product):
                raise TargetError(
                    ErrorKind.ABSENT, f"{product.name} reads back from Moodle as something else."
                )
        shipment.at(product, size)
        return ArrivedFile(
            name=product.name,
            size=size,
            digest=f"sha256:{digest}" if digest else None,
            place=file["fileurl"],
        )

    def _subject(self, shipment: Shipment) -> str:
        about = shipment.metadata
        return self.options.subject.format(
            title=about.title, date=about.date, lecturer=about.lecturer or "", room=about.room
        )[:255]

    def _review(self, shipment: Shipment) -> str:
        return self.options.review_url.format(id=quote(shipment.metadata.recording))

    def _link(self, shipment: Shipment, limit: int) -> str:
        if not self.options.review_url:
            raise TargetError(
                ErrorKind.PERMANENT,
                f"The lecture is larger than Moodle takes in this course ({limit} bytes).",
                "Raise the limit, or set `review_url` so that a link is posted instead.",
            )
        url = html.escape(self._review(shipment))
        return f'<p><a href="{url}">{url}</a></p>{moodle_post.about(shipment.metadata)}'

    def _refusal(self, told: Mapping[str, Any]) -> TargetError:
        code = str(told.get("errorcode") or told.get("errortype") or "unknown")
        what = f"Moodle says: {told.get('message') or told.get('error') or code} ({code})."
        remedies = {
            "invalidtoken": "Make a new token and put it where `secret` points.",
            "accessexception": "Use a token of moodle_mobile_app, or allow uploads in the service.",
            "cannotcreatediscussion": "Give the token's user the teacher role in this course.",
            "requireloginerror": "Enrol the token's user in the course as a teacher.",
            "nopermissions": "Give the token's user the teacher role in this course.",
            "userquotalimit": "Free the token user's files, or raise its quota.",
        }
        if code == "sitemaintenance" or code.startswith(("dml", "ddl")):
            return TargetError(ErrorKind.RETRY, what)
        return TargetError(
            ErrorKind.BLOCKED, what, remedies.get(code, "Look up this code in Moodle's log.")
        )


def _limit(*limits: int | None) -> int:
    """The least limit that limits at all; Moodle writes 0 and -1 for none."""
    return min((limit for limit in limits if limit and limit > 0), default=0)


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as Moodle wants them: `options[0][name]`."""
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        name = f"{prefix}[{key}]" if prefix else str(key)
        if isinstance(value, list):
            flat |= _flat({str(n): one for n, one in enumerate(value)}, name)
        elif isinstance(value, dict):
            flat |= _flat(value, name)
        else:
            flat[name] = str(value)
    return flat


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise TargetError(
            ErrorKind.RETRY,
            "Moodle answered with a page instead of data.",
            "If it stays so, check `url`: it is Moodle's own address, as in a browser.",
        ) from error

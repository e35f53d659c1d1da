"""Moodle, without any plugin: a draft upload, then a forum post with a player in it.

What is written here was exchanged with a running Moodle 4.5.6. Three things shape it: nearly every
error is HTTP 200, files over a limit are dropped without a word, and nothing is idempotent. So a
body is always read before it is believed, the post is asked for what it holds, and it is looked
for by the recording's id before a second one is made.

A correction edits the post (mod_forum's external functions): an update that names no draft area
leaves the files alone, and one that does makes the post hold what is in the area, no more. Files
that have not changed are put into it by Moodle itself (`prepare_draft_area_for_post`).
"""

from __future__ import annotations

import html
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import Field

from publishing.http import Url, Web
from publishing.metadata import for_a_course
from publishing.products import Kind
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
from publishing.targets.moodle_database import FUNCTIONS, Database
from publishing.targets.moodle_wire import Wire

_FUNCTIONS = (
    "core_course_get_courses_by_field",
    "mod_forum_get_forums_by_courses",
    "mod_forum_get_forum_discussions",
    "mod_forum_get_discussion_posts",
    "mod_forum_add_discussion",
    "mod_forum_update_discussion_post",
)
_KEEP = "mod_forum_prepare_draft_area_for_post"


class MoodleOptions(Options):
    """`secret` is a web service token of a user who teaches the course.

    `match` is the field of the course that the timetable's course name stands in; `course` names
    one fixed course instead. `database` is the name of a database activity that gets an entry
    instead of a forum that gets a post. `forum` is a forum's name; empty is the course's
    Announcements. `review_url` is what is posted when the lecture is over Moodle's limit, with
    `{id}` in it.
    """

    url: Url
    secret: SecretRef
    match: Literal["idnumber", "shortname", "id"] = "idnumber"
    course: str = ""
    forum: str = ""
    database: str = ""
    subject: str = "{title} ({date})"
    review_url: str = ""
    proof: Literal["hash", "size"] = "hash"
    ca_file: str | None = None
    page: int = Field(100, ge=1, le=1000)


class Moodle(Target):
    """One discussion for each recording: player, captions, chapters, and what it is about."""

    name = "moodle"
    schema: ClassVar[type[Options]] = MoodleOptions
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS, Kind.CHAPTERS, Kind.POSTER})
    options: MoodleOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web(
            "Moodle",
            refused_hint="Turn web services on in Moodle, and the REST protocol.",
            ca_file=self.options.ca_file,
        )
        token = secret(self.options.secret)
        self.wire = Wire(self.web, self.options.url, token, self.options.proof)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        info = await self.wire.call("core_webservice_get_site_info")
        offered = {function["name"] for function in info.get("functions", [])}
        needed = FUNCTIONS if self.options.database else _FUNCTIONS
        if missing := [name for name in needed if name not in offered]:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The token's service lacks {', '.join(missing)}.",
                "Use a token of the service moodle_mobile_app, or add these functions to yours.",
            )
        course = await self.wire.course(shipment.metadata, self.options.match, self.options.course)
        if self.options.database:
            await self._database().send(shipment, course["id"])
            return
        forum = await self._forum(course["id"])
        shipment.notes["forum"] = forum
        limit = _limit(info.get("usermaxuploadfilesize"), course.get("maxbytes"))
        lecture = shipment.lecture
        if limit and lecture.size > limit:
            await self._post(shipment, forum, self._link(shipment, limit), draft=None)
            return
        draft, names = await self._draft(shipment, keeps=_KEEP in offered)
        await self._post(shipment, forum, moodle_post.message(shipment, names), draft=draft)

    def _database(self) -> Database:
        return Database(self.wire, self.options.database, self.id, self.options.proof)

    async def _course(self, shipment: Shipment) -> int:
        found = await self.wire.course(shipment.metadata, self.options.match, self.options.course)
        return int(found["id"])

    async def verify(self, shipment: Shipment) -> Receipt:
        if self.options.database:
            return await self._database().verify(shipment, await self._course(shipment))
        found = await self._find(shipment)
        if found is None:
            raise TargetError(ErrorKind.ABSENT, "Moodle has no discussion about it yet.")
        told = await self._posts(shipment, found)
        post = next((one for one in told if one["id"] == found["post"]), None)
        if post is None:
            shipment.notes.pop("found", None)
            raise TargetError(ErrorKind.ABSENT, "The discussion has lost its first post.")
        place = f"{self.options.url}/mod/forum/discuss.php?d={found['discussion']}"
        if shipment.notes.get("linked") and self._review(shipment) in html.unescape(
            post["message"]
        ):
            files = [ArrivedFile(name="link", place=self._review(shipment))]
            await shipment.delete_older(self._delete)
            return Receipt(target=self.id, how="size", files=files, place=place)
        held = {file["filename"]: file for file in post.get("messageinlinefiles", [])}
        names = shipment.notes.get("names", {})
        files = []
        for product in shipment.products:
            file = held.get(names.get(product.name, product.name))
            files.append(await self.wire.compare(shipment, product, file))
        expected = {names.get(product.name, product.name) for product in shipment.products}
        if stale := sorted((set(names.values()) - expected) & held.keys()):
            raise TargetError(ErrorKind.ABSENT, f"Moodle still has {', '.join(stale)}.")
        await shipment.delete_older(self._delete)
        return Receipt(
            target=self.id,
            how=self.options.proof,
            files=files,
            place=place,
            reference=str(found["discussion"]),
        )

    async def reword(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        if self.options.database:
            await self._database().reword(shipment, await self._course(shipment))
            return
        found = await self._find(shipment)
        if found is not None:
            names = shipment.notes.get("names", {})
            linked = shipment.notes.get("linked")
            told = self._link(shipment, 0) if linked else moodle_post.message(shipment, names)
            await self._update(shipment, found["post"], told, [])

    async def withdraw(self, shipment: Shipment) -> None:
        if self.options.database:
            await self._database().withdraw(shipment, await self._course(shipment))
            return
        found = await self._find(shipment)
        if found is not None:
            await self._delete(found["post"])
        await shipment.delete_older(self._delete)

    # -- what Moodle is asked -----------------------------------------------------------------

    async def _forum(self, course: int) -> int:
        forums = await self.wire.call("mod_forum_get_forums_by_courses", courseids=[course])
        for forum in forums:
            wanted = self.options.forum
            if (forum["name"] == wanted) if wanted else (forum["type"] == "news"):
                return int(forum["id"])
        raise TargetError(
            ErrorKind.BLOCKED,
            f"The course has no forum {self.options.forum or 'for announcements'}.",
            "Create it, or correct `forum`.",
        )

    async def _posts(self, shipment: Shipment, found: dict[str, Any]) -> list[dict[str, Any]]:
        """The discussion's posts; one that somebody deleted is looked for anew, and then absent."""
        try:
            told = await self.wire.call(
                "mod_forum_get_discussion_posts",
                discussionid=found["discussion"],
                includeinlineattachments=1,
            )
        except TargetError as error:
            shipment.notes.pop("found", None)
            if error.kind is ErrorKind.BLOCKED and await self._find(shipment) is None:
                raise TargetError(ErrorKind.ABSENT, "Moodle has lost the discussion.") from error
            raise
        return list(told["posts"])

    async def _find(self, shipment: Shipment) -> dict[str, Any] | None:
        """The discussion about this recording: noted, or found by the recording's id in it.

        One that stands elsewhere, because the course was corrected since, is older.
        """
        about, notes = shipment.metadata, shipment.notes
        where = f"{self.options.course or about.course} {self.options.forum}"
        if found := notes.get("found"):
            if found.get("where", where) == where:
                return dict(found)
            shipment.older.append(found["post"])
            for name in ("found", "forum", "draft"):
                notes.pop(name, None)
            for product in shipment.products:
                shipment.note(product).pop("held", None)
            await shipment.save()
        forum = shipment.notes.get("forum")
        if forum is None:
            forum = await self._forum(
                (
                    await self.wire.course(
                        shipment.metadata, self.options.match, self.options.course
                    )
                )["id"]
            )
        page = 0
        while True:
            told = await self.wire.call(
                "mod_forum_get_forum_discussions",
                forumid=forum,
                page=page,
                perpage=self.options.page,
            )
            for one in told["discussions"]:
                old = one["id"] in shipment.older
                if moodle_post.is_about(about, one["message"]) and not old:
                    found = {"discussion": one["discussion"], "post": one["id"], "where": where}
                    notes["found"] = found
                    await shipment.save()
                    return dict(found)
            if len(told["discussions"]) < self.options.page:
                return None
            page += 1

    # -- what Moodle is given -----------------------------------------------------------------

    async def _draft(self, shipment: Shipment, *, keeps: bool) -> tuple[int, dict[str, str]]:
        """All files in one draft area: its id, and the names that Moodle gave them.

        `keeps`: Moodle can put into it what the post holds already and what has not changed.
        """
        stamps = {product.name: product.stamp for product in shipment.products}
        draft = shipment.notes.get("draft")
        if draft is None or draft["stamps"] != stamps or shipment.notes.get("used"):
            draft = {"id": 0, "names": {}, "stamps": stamps}
            if keeps and (held := self._held(shipment)) and (found := await self._find(shipment)):
                keep = [{"filename": name, "filepath": "/"} for name in held.values()]
                told = await self.wire.call(
                    _KEEP, postid=found["post"], area="post", draftitemid=0, filestokeep=keep
                )
                draft["id"], draft["names"] = int(told["draftitemid"]), held
            shipment.notes["draft"], shipment.notes["used"] = draft, False
        for product in shipment.products:
            if product.name in draft["names"]:
                shipment.at(product, product.size)
                continue
            item, name = await self.wire.upload(shipment, product, draft["id"])
            draft["id"] = draft["id"] or item
            draft["names"][product.name] = name
            await shipment.save()
        shipment.notes["names"] = draft["names"]
        return int(draft["id"]), dict(draft["names"])

    def _held(self, shipment: Shipment) -> dict[str, str]:
        """Products that the post was seen to hold as they are, by the names that they have there.

        Whether it still does is told by the receipt.
        """
        names = shipment.notes.get("names", {})
        return {
            product.name: names[product.name]
            for product in shipment.products
            if shipment.note(product).get("held") and product.name in names
        }

    async def _update(
        self, shipment: Shipment, post: int, message: str, options: list[dict[str, Any]]
    ) -> None:
        await self.wire.call(
            "mod_forum_update_discussion_post",
            postid=post,
            subject=self._subject(shipment),
            message=message,
            messageformat=1,
            options=options,
        )

    async def _delete(self, post: int) -> None:
        await self.wire.call("mod_forum_delete_post", gone=True, postid=post)

    async def _post(self, shipment: Shipment, forum: int, message: str, draft: int | None) -> None:
        found = await self._find(shipment)
        options = [{"name": "inlineattachmentsid", "value": draft}] if draft else []
        # A draft area is emptied by nobody, but a damaged post wants its files sent anew.
        shipment.notes["used"] = True
        shipment.notes["linked"] = draft is None
        await shipment.save()
        if found is not None:
            await self._update(shipment, found["post"], message, options)
            return
        told = await self.wire.call(
            "mod_forum_add_discussion",
            forumid=forum,
            subject=self._subject(shipment),
            message=message,
            options=options,
        )
        if not told.get("discussionid"):
            raise TargetError(ErrorKind.RETRY, "Moodle made no discussion and did not say why.")

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


def _limit(*limits: int | None) -> int:
    """The least limit that limits at all; Moodle writes 0 and -1 for none."""
    return min((limit for limit in limits if limit and limit > 0), default=0)

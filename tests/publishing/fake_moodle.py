"""The fake Moodle: it answers as a running Moodle 4.5.6 did, errors and silences included."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from fake_server import Answer, Fake, Request

from publishing.targets import moodle, moodle_database

TEXT = {"content-type": "text/plain; charset=utf-8"}
FUNCTIONS = [
    *moodle._FUNCTIONS,
    *moodle_database.FUNCTIONS,
    moodle._KEEP,
    "core_webservice_get_site_info",
    "mod_data_delete_entry",
    "mod_forum_delete_post",
]


class FakeMoodle(Fake):
    """Every error is HTTP 200; files over the course's limit vanish; nothing is idempotent."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "token"
        self.drafts: dict[int, dict[str, bytes]] = {}
        self.posts: dict[int, dict[str, Any]] = {}
        self.entries: dict[int, dict[str, Any]] = {}
        self.fields = [(21, "text"), (22, "textarea"), (23, "file"), (24, "file")]
        self.next = 100
        self.course = {"id": 7, "idnumber": "math-101", "maxbytes": 0}
        self.site_max = 100_000_000
        self.functions = list(FUNCTIONS)

    async def answer(self, request: Request) -> Answer:
        if not request.whole:
            return Answer()
        if request.method != "POST":
            return self.refuse(f"{request.method} {request.path}", 404)
        if request.path == "/webservice/upload.php":
            return Answer(200, json.dumps(self._upload(request)).encode(), TEXT)
        if request.path.startswith("/webservice/pluginfile.php/"):
            return self._file(request)
        if request.path != "/webservice/rest/server.php":
            return self.refuse(request.path, 404)
        form = request.form
        if form.pop("wstoken", "") != self.token:
            return Answer(200, error("invalidtoken"))
        function = form.pop("wsfunction")
        if request.query != {"moodlewsrestformat": "json"}:
            return self.refuse("not asked for JSON")
        if function not in self.functions:
            return Answer(200, error("accessexception"))
        return Answer(200, getattr(self, function)(form))

    def _upload(self, request: Request) -> Any:
        parts = request.parts()
        if [part.name for part in parts[:3]] != ["token", "itemid", "filepath"]:
            self.refusals.append("fields after the file")
        token, item, _, file = parts
        if token.text != self.token:
            return error("invalidtoken")
        if len(file.data) > self.site_max:
            return [{"errortype": "fileoversized", "filename": file.filename}]
        number = int(item.text) or self._number()
        draft = self.drafts.setdefault(number, {})
        name = re.sub(r"[^\w.-]", "_", file.filename or "")
        if name in draft:
            return [{"errortype": "filenameexist", "filename": name}]
        draft[name] = file.data
        return [{"itemid": number, "filename": name, "filesize": len(file.data)}]

    def _file(self, request: Request) -> Answer:
        if request.form.get("token") != self.token:
            return Answer(200, error("invalidtoken"))
        if "/mod_data/" in request.path:
            entry, field, name = request.path.rpartition("/content/")[2].split("/")
            data = self.entries[int(entry)]["files"][int(field)].get(name)
            return Answer(200, data) if data is not None else Answer(404)
        post, _, name = request.path.rpartition("/post/")[2].partition("/")
        files = self.posts.get(int(post), {}).get("files", {})
        if name not in files:
            return Answer(404)
        return Answer(200, files[name], {"etag": hashlib.sha1(files[name]).hexdigest()})

    def _number(self) -> int:
        self.next += 1
        return self.next

    def core_webservice_get_site_info(self, form: dict[str, str]) -> Any:
        functions = [{"name": name} for name in self.functions]
        return {"userid": 3, "usermaxuploadfilesize": self.site_max, "functions": functions}

    def core_course_get_courses_by_field(self, form: dict[str, str]) -> Any:
        other = {"id": 8, "idnumber": "math-102", "maxbytes": 0}
        found = [c for c in (self.course, other) if c.get("idnumber", "math-101") == form["value"]]
        return {"courses": found, "warnings": []}

    def mod_forum_get_forums_by_courses(self, form: dict[str, str]) -> Any:
        first = 11 + 10 * (int(form["courseids[0]"]) - 7)
        return [
            {"id": first, "type": "general", "name": "Talk"},
            {"id": first + 1, "type": "news", "name": "Announcements"},
        ]

    def mod_forum_get_forum_discussions(self, form: dict[str, str]) -> Any:
        start = int(form["page"]) * int(form["perpage"])
        found = [p for p in self.posts.values() if p["forum"] == int(form["forumid"])]
        return {"discussions": [
            {key: post[key] for key in ("id", "discussion", "subject", "message")}
            for post in found[start : start + int(form["perpage"])]]}  # fmt: skip

    def mod_forum_get_discussion_posts(self, form: dict[str, str]) -> Any:
        inline = form.get("includeinlineattachments") == "1"
        return {"posts": [
            {"id": post["id"], "message": post["message"], "attachments": [],
             "messageinlinefiles": [
                 {"filename": name, "filesize": len(data),
                  "fileurl": f"{self.base}/pluginfile.php/44/mod_forum/post/{post['id']}/{name}"}
                 for name, data in post["files"].items()] if inline else []}
            for post in self.posts.values()
            if post["discussion"] == int(form["discussionid"])]}  # fmt: skip

    def mod_forum_add_discussion(self, form: dict[str, str]) -> Any:
        post = {"id": self._number(), "discussion": self._number(), "forum": int(form["forumid"])}
        self.posts[post["id"]] = post
        self._fill(post, form)
        return {"discussionid": post["discussion"], "warnings": []}

    def mod_forum_update_discussion_post(self, form: dict[str, str]) -> Any:
        self._fill(self.posts[int(form["postid"])], form)
        return {"status": True, "warnings": []}

    def mod_forum_prepare_draft_area_for_post(self, form: dict[str, str]) -> Any:
        """A new draft area with those of the post's files that are to be kept."""
        held, draft = self.posts[int(form["postid"])]["files"], self._number()
        assert (form["area"], form["draftitemid"]) == ("post", "0")
        keep = {form[key] for key in form if key.endswith("[filename]")}
        self.drafts[draft] = {name: data for name, data in held.items() if name in keep}
        return {"draftitemid": draft, "files": [], "areaoptions": []}

    def mod_forum_delete_post(self, form: dict[str, str]) -> Any:
        if self.posts.pop(int(form["postid"]), None) is None:
            return error("invalidpostid")
        return {"status": True, "warnings": []}

    def mod_data_get_databases_by_courses(self, form: dict[str, str]) -> Any:
        number = 31 + 10 * (int(form["courseids[0]"]) - 7)
        return {"databases": [{"id": number, "name": "Lectures"}], "warnings": []}

    def mod_data_get_fields(self, form: dict[str, str]) -> Any:
        return {"fields": [{"id": n, "type": kind, "name": kind} for n, kind in self.fields]}

    def mod_data_search_entries(self, form: dict[str, str]) -> Any:
        found = [
            self._entry(n)
            for n, e in self.entries.items()
            if form["search"] in e["text"] and e["database"] == int(form["databaseid"])
        ]
        assert form["returncontents"] == "1"
        return {"entries": found, "totalcount": len(found)}

    def mod_data_add_entry(self, form: dict[str, str]) -> Any:
        number = self._number()
        database = int(form["databaseid"])
        self.entries[number] = {"title": "", "text": "", "files": {}, "database": database}
        self._enter(self.entries[number], form)
        return {"newentryid": number, "generalnotifications": [], "fieldnotifications": []}

    def mod_data_update_entry(self, form: dict[str, str]) -> Any:
        self._enter(self.entries[int(form["entryid"])], form)
        return {"updated": True, "generalnotifications": [], "fieldnotifications": []}

    def mod_data_delete_entry(self, form: dict[str, str]) -> Any:
        if self.entries.pop(int(form["entryid"]), None) is None:
            return error("invalidrecord")
        return {"status": True, "warnings": []}

    def _enter(self, entry: dict[str, Any], form: dict[str, str]) -> None:
        at = 0
        while (field := form.get(f"data[{at}][fieldid]")) is not None:
            value = json.loads(form[f"data[{at}][value]"])  # every value is JSON
            kind = dict(self.fields)[int(field)]
            if kind == "file":
                ((name, data),) = self.drafts[value].items()  # one file for each field
                entry["files"][int(field)] = {name: data}
            else:
                entry["text" if kind == "textarea" else "title"] = value
            at += 1

    def _entry(self, number: int) -> dict[str, Any]:
        entry = self.entries[number]
        contents: list[dict[str, Any]] = [
            {"fieldid": 21, "content": entry["title"]}, {"fieldid": 22, "content": entry["text"]},
        ]  # fmt: skip
        for field, files in entry["files"].items():
            base = f"{self.base}/webservice/pluginfile.php/44/mod_data/content/{number}/{field}"
            contents.append({"fieldid": field, "files": [
                {"filename": name, "filesize": len(data), "fileurl": f"{base}/{name}"}
                for name, data in files.items()]})  # fmt: skip
        return {"id": number, "contents": contents}

    def _fill(self, post: dict[str, Any], form: dict[str, str]) -> None:
        options = {
            form[key]: form[key.replace("name", "value")] for key in form if key.endswith("[name]")
        }
        post["subject"], post["message"] = form["subject"], form["message"]
        if "inlineattachmentsid" not in options and "files" in post:
            return  # an update that names no draft area leaves the files alone
        draft = self.drafts.get(int(options.get("inlineattachmentsid", 0)), {})
        limit = self.course["maxbytes"]
        post["files"] = {n: d for n, d in draft.items() if not limit or len(d) <= limit}


def error(code: str) -> dict[str, str]:
    return {"exception": "moodle_exception", "errorcode": code, "message": f"about {code}"}

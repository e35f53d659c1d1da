"""PeerTube: a resumable upload into a channel, captions, chapters, and the size it reports.

Source: PeerTube's OpenAPI description (version 8) and the protocol notes of node-uploadx, which is
the server side of its upload.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self
from urllib.parse import quote, urljoin

import httpx
from pydantic import Field

from publishing import captions as spoken
from publishing import multipart, resumable
from publishing.http import Url, Web
from publishing.metadata import Visibility
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.signed_in import Meaning, SignedIn, login_refused
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

_PRIVACY = {
    Visibility.PUBLIC: 1,
    Visibility.UNLISTED: 2,
    Visibility.COURSE: 2,
    Visibility.PRIVATE: 3,
}
_LICENCES = {
    "CC-BY-4.0": 1,
    "CC-BY-SA-4.0": 2,
    "CC-BY-ND-4.0": 3,
    "CC-BY-NC-4.0": 4,
    "CC-BY-NC-SA-4.0": 5,
    "CC-BY-NC-ND-4.0": 6,
    "CC0-1.0": 7,
}
_PUBLISHED, _FAILED = 1, (7, 8)
_PAGE = 50
_QUOTA = Meaning(
    ErrorKind.BLOCKED,
    "The PeerTube user's quota is used up.",
    "Raise the quota of this user, or delete old videos.",
)


class PeerTubeOptions(Options):
    """`channel` is the name of a channel that `user` owns. `category` 15 is science, 13 education.

    A lecture for a course becomes unlisted; `internal = true` makes it visible to users of the
    instance only.
    """

    url: Url
    user: str
    secret: SecretRef
    channel: str
    internal: bool = False
    category: int = 13
    chunk_mb: float = Field(64, gt=0)
    ca_file: str | None = None


class PeerTube(Target):
    """One video for each recording; the recording's id in its description finds it again."""

    name = "peertube"
    schema: ClassVar[type[Options]] = PeerTubeOptions
    resumes = True
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS})
    options: PeerTubeOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web(
            "PeerTube",
            refused_hint=f"Check `user` and `secret` of [[publish]] {self.id}, "
            "and that this user may upload.",
            ca_file=self.options.ca_file,
        )
        self.door = SignedIn(
            self.web,
            self._login,
            code=lambda told: told.get("code"),
            meanings={"quota_reached": _QUOTA},
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        lecture, note = shipment.lecture, shipment.note(shipment.lecture)
        if "video" not in note and (known := await self._find(shipment)):
            note["video"] = known
        if "video" not in note:
            note["video"] = await self._upload(shipment, lecture, note)
            await shipment.save()
        shipment.at(lecture, lecture.size)
        video = f"{self.options.url}/api/v1/videos/{note['video']}"
        for captions in shipment.of(Kind.CAPTIONS):
            if spoken.there(shipment, captions, note["video"]):
                shipment.at(captions, captions.size)
                continue
            form = multipart.body(shipment, [], "captionfile", captions)
            await self.ask(
                "PUT",
                f"{video}/captions/{quote(captions.language or 'en')}",
                ok=(204,),
                content=form.content,
                headers=form.headers,
            )
            await spoken.given(shipment, captions, note["video"])
        if chapters := shipment.metadata.chapters:
            told = [{"timecode": int(t), "title": title} for t, title in chapters]
            await self.ask("PUT", f"{video}/chapters", ok=(204,), json={"chapters": told})

    async def verify(self, shipment: Shipment) -> Receipt:
        lecture, note = shipment.lecture, shipment.note(shipment.lecture)
        number = note.get("video") or await self._find(shipment)
        if not number:
            raise TargetError(ErrorKind.ABSENT, "PeerTube has no video of this recording yet.")
        video = f"{self.options.url}/api/v1/videos/{number}"
        answer = await self.ask("GET", video, ok=(200, 404))
        if answer.status_code == 404:
            note.pop("video", None)
            raise TargetError(ErrorKind.ABSENT, "The video is no longer on PeerTube.")
        told = answer.json()
        if told["state"]["id"] in _FAILED:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"PeerTube could not process the video ({told['state'].get('label', '')}).",
                "Look at the video's jobs in PeerTube's administration and run them again.",
            )
        size = await self._source_size(video)
        if size is not None and size != lecture.size:
            note.pop("video", None)
            shipment.older.append(number)
            raise TargetError(ErrorKind.ABSENT, "PeerTube has another version of this recording.")
        if told["state"]["id"] != _PUBLISHED:
            raise TargetError(ErrorKind.WAIT, "PeerTube is processing the video.")
        duration = told.get("duration")
        if size is None and not shipment.metadata.lasts(duration):
            raise TargetError(
                ErrorKind.BLOCKED,
                f"PeerTube reports {duration} s, the lecture has {shipment.metadata.duration_s} s.",
                "Compare the video on PeerTube with the recording.",
            )
        files = [ArrivedFile(name=lecture.name, size=size, duration_s=duration)]
        listed = (await self.ask("GET", f"{video}/captions")).json()
        languages = {one["language"]["id"] for one in listed["data"]}
        for captions in shipment.of(Kind.CAPTIONS):
            given = spoken.there(shipment, captions, number)
            if captions.language not in languages or not given:
                raise TargetError(ErrorKind.ABSENT, f"{captions.name} is not on PeerTube yet.")
            files.append(ArrivedFile(name=captions.name))
        for language in spoken.gone(shipment):
            await self.ask("DELETE", f"{video}/captions/{quote(language)}", ok=(204, 404))
            spoken.taken_away(shipment, language)
        await shipment.delete_older(self._delete)
        return Receipt(
            target=self.id,
            how="size" if size is not None else "duration",
            files=files,
            place=f"{self.options.url}/w/{told.get('shortUUID') or told['uuid']}",
            reference=str(told["uuid"]),
        )

    async def reword(self, shipment: Shipment) -> None:
        number = shipment.note(shipment.lecture).get("video") or await self._find(shipment)
        if number:
            words = self._words(shipment, await self._channel())
            del words["filename"]
            video = f"{self.options.url}/api/v1/videos/{number}"
            await self.ask("PUT", video, ok=(204,), json=words)
            told = [{"timecode": int(t), "title": x} for t, x in shipment.metadata.chapters]
            await self.ask("PUT", f"{video}/chapters", ok=(204,), json={"chapters": told})

    async def withdraw(self, shipment: Shipment) -> None:
        number = shipment.note(shipment.lecture).get("video") or await self._find(shipment)
        if number:
            await self._delete(number)
        await shipment.delete_older(self._delete)

    # -- the steps ----------------------------------------------------------------------------

    async def _upload(self, shipment: Shipment, lecture: Product, note: dict[str, Any]) -> int:
        if "session" not in note:
            url = f"{self.options.url}/api/v1/videos/upload-resumable"
            answer = await self.ask(
                "POST",
                url,
                ok=(200, 201),
                headers={
                    "x-upload-content-length": str(lecture.size),
                    "x-upload-content-type": lecture.media_type,
                },
                json=self._words(shipment, await self._channel()),
            )
            note["session"] = urljoin(url, answer.headers["location"])
            await shipment.save()
        chunk = int(self.options.chunk_mb * (1 << 20))
        done = await resumable.resume(self.ask, note["session"], shipment, lecture, chunk=chunk)
        note.pop("session")
        if done is None:
            raise TargetError(ErrorKind.RETRY, "PeerTube has forgotten the upload; it begins anew.")
        return int(done.json()["video"]["id"])

    async def _channel(self) -> int:
        url = f"{self.options.url}/api/v1/video-channels/{quote(self.options.channel)}"
        answer = await self.ask("GET", url, ok=(200, 404))
        if answer.status_code == 404:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"PeerTube has no channel {self.options.channel}.",
                "Create it, or correct `channel`.",
            )
        return int(answer.json()["id"])

    async def _find(self, shipment: Shipment) -> int | None:
        start = 0
        while True:
            answer = await self.ask(
                "GET",
                f"{self.options.url}/api/v1/users/me/videos",
                params={"start": str(start), "count": str(_PAGE), "sort": "-createdAt"},
            )
            told = answer.json()
            for video in told["data"]:
                # Lists shorten the description; the mark stands first in it.
                old = video["id"] in shipment.older
                if shipment.metadata.mark in (video.get("description") or "") and not old:
                    return int(video["id"])
            start += _PAGE
            if start >= told["total"]:
                return None

    async def _source_size(self, video: str) -> int | None:
        """The uploaded file's size, where the instance keeps it (since 6.2); None if not."""
        answer = await self.ask("GET", f"{video}/source", ok=(200, 404))
        told = answer.json() if answer.status_code == 200 else {}
        return int(told["size"]) if told.get("size") else None

    async def _delete(self, number: int) -> None:
        url = f"{self.options.url}/api/v1/videos/{number}"
        await self.ask("DELETE", url, ok=(204, 404))

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request as the user."""
        return await self.door.ask(method, url, **more)

    async def _login(self) -> str:
        base = f"{self.options.url}/api/v1"
        client = (await self.web.ask("GET", f"{base}/oauth-clients/local")).json()
        form = {
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            "grant_type": "password",
            "username": self.options.user,
            "password": secret(self.options.secret),
        }
        answer = await self.web.ask("POST", f"{base}/users/token", data=form, ok=(200, 400))
        if answer.status_code != 200:
            raise login_refused("PeerTube", self.id)
        return str(answer.json()["access_token"])

    def _words(self, shipment: Shipment, channel: int) -> dict[str, Any]:
        about = shipment.metadata
        privacy = 4 if self.options.internal and about.visibility is Visibility.COURSE else None
        words: dict[str, Any] = {
            "channelId": channel,
            "filename": shipment.lecture.name,
            "name": about.title[:120].ljust(3, "."),
            "description": f"{about.mark}\n\n{about.text()}".strip()[:10_000],
            "privacy": privacy or _PRIVACY[about.visibility],
            "category": self.options.category,
            "originallyPublishedAt": about.started.isoformat(),
            "waitTranscoding": True,
        }
        if about.language:
            words["language"] = about.language
        if licence := _LICENCES.get((about.licence or "").upper()):
            words["licence"] = licence
        return words

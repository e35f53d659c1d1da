"""YouTube: a resumable upload, captions, and the size that YouTube itself reports.

Source: YouTube Data API v3 reference (videos.insert, videos.list, captions.insert, playlistItems)
and its guide to resumable uploads; OAuth 2.0 with a refresh token.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, ClassVar, Self

import httpx
from pydantic import Field

from publishing import captions as spoken
from publishing import resumable
from publishing.http import Url, Web
from publishing.metadata import Metadata, Visibility
from publishing.openform import HEAD, head_of, open_form
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.signed_in import Meaning, SignedIn
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
    Visibility.PRIVATE: "private",
    Visibility.UNLISTED: "unlisted",
    Visibility.COURSE: "unlisted",
    Visibility.PUBLIC: "public",
}
_QUOTA_S = 6 * 3600.0
_PAGES = 4
_TODAY = Meaning(
    ErrorKind.BLOCKED,
    "YouTube takes no more uploads today ({code}).",
    "Wait a day, or ask Google for a larger quota.",
    retry_after=_QUOTA_S,
)
_SLOWER = Meaning(ErrorKind.RETRY, "YouTube asks to slow down ({code}).")
_MEANINGS = {
    "quotaExceeded": _TODAY,
    "uploadLimitExceeded": _TODAY,
    "rateLimitExceeded": _SLOWER,
    "userRateLimitExceeded": _SLOWER,
    "backendError": _SLOWER,
}


class YouTubeOptions(Options):
    """`secret` is the channel's refresh token for the OAuth client `client_id`, `client_secret`.

    A lecture for a course becomes unlisted. `playlist` is where it is added. `category` 27 is
    education.
    """

    client_id: str
    client_secret: SecretRef
    secret: SecretRef
    playlist: str = ""
    category: str = "27"
    chunk_mb: float = Field(64, gt=0)
    url: Url = "https://www.googleapis.com"
    oauth_url: Url = "https://oauth2.googleapis.com/token"


class YouTube(Target):
    """One video for each recording; the recording's id in its description finds it again."""

    name = "youtube"
    schema: ClassVar[type[Options]] = YouTubeOptions
    resumes = True
    goes_ahead = True
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS})
    options: YouTubeOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web("YouTube", refused_hint=f"Renew the secrets of [[publish]] {self.id}.")
        self.door = SignedIn(
            self.web,
            self._renew,
            code=lambda told: told["error"]["errors"][0]["reason"],
            meanings=_MEANINGS,
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
        for captions in shipment.of(Kind.CAPTIONS):
            await self._caption(shipment, note["video"], captions)
        if self.options.playlist:
            await self._list(note["video"])

    async def verify(self, shipment: Shipment) -> Receipt:
        lecture = shipment.lecture
        video = shipment.note(lecture).get("video") or await self._find(shipment)
        if not video:
            raise TargetError(ErrorKind.ABSENT, "YouTube has no video of this recording yet.")
        parts = "status,contentDetails,fileDetails"
        found = (await self._call("GET", "videos", part=parts, id=video)).get("items", [])
        if not found:
            shipment.note(lecture).pop("video", None)
            raise TargetError(ErrorKind.ABSENT, "The video is no longer on YouTube.")
        status = found[0]["status"]
        if status["uploadStatus"] in ("failed", "rejected", "deleted"):
            why = status.get("failureReason") or status.get("rejectionReason") or "no reason given"
            raise TargetError(
                ErrorKind.PERMANENT,
                f"YouTube {status['uploadStatus']} the video: {why}.",
                "Look at the video in YouTube Studio, delete it there, then retry.",
            )
        if status["uploadStatus"] != "processed":
            raise TargetError(ErrorKind.WAIT, "YouTube is processing the video.")
        size = int(found[0].get("fileDetails", {}).get("fileSize", 0))
        sent = int(shipment.note(lecture).get("size", lecture.size))
        seconds = _seconds(found[0].get("contentDetails", {}).get("duration", ""))
        if size and size != sent:
            shipment.note(lecture).pop("video", None)
            shipment.older.append(video)
            raise TargetError(ErrorKind.ABSENT, "YouTube has another version of this recording.")
        if not size and not shipment.metadata.lasts(seconds):
            raise TargetError(
                ErrorKind.BLOCKED,
                f"YouTube reports {seconds} s, the lecture has {shipment.metadata.duration_s} s.",
                "Compare the video in YouTube Studio with the recording.",
            )
        files = [ArrivedFile(name=lecture.name, size=size or None, duration_s=seconds)]
        tracks = await self._tracks(video)
        for captions in shipment.of(Kind.CAPTIONS):
            given = spoken.there(shipment, captions, video)
            if captions.language not in tracks or not given:
                raise TargetError(ErrorKind.ABSENT, f"{captions.name} is not on YouTube yet.")
            files.append(ArrivedFile(name=captions.name))
        for language in spoken.gone(shipment):
            if track := tracks.get(language):
                await self._call("DELETE", "captions", id=track)
            spoken.taken_away(shipment, language)
        await shipment.delete_older(self._delete)
        place = f"https://www.youtube.com/watch?v={video}"
        how = "size" if size else "duration"
        return Receipt(target=self.id, how=how, files=files, place=place, reference=video)

    async def reword(self, shipment: Shipment) -> None:
        if video := shipment.note(shipment.lecture).get("video") or await self._find(shipment):
            await self.ask(
                "PUT",
                f"{self.options.url}/youtube/v3/videos",
                params={"part": "snippet,status"},
                json={"id": video, **self._words(shipment.metadata)},
            )

    async def withdraw(self, shipment: Shipment) -> None:
        note = shipment.note(shipment.lecture)
        if video := note.get("video") or await self._find(shipment):
            await self._call("DELETE", "videos", id=video)
        await shipment.delete_older(self._delete)

    # -- the steps ----------------------------------------------------------------------------

    async def ahead(self, shipment: Shipment, lecture: Product) -> None:
        """All of the lecture but what does not fill 256 KiB yet; its length is told at the end."""
        note = shipment.notes.get("ahead")
        if note is None:
            if (head := head_of(lecture.path)) is None:
                return
            session = await self._begin(shipment, lecture, None)
            note = shipment.notes["ahead"] = {"session": session, "head": head.hex()}
            await shipment.save()
        if await resumable.grow(self.ask, note["session"], shipment, lecture) is None:
            del shipment.notes["ahead"]
            raise TargetError(ErrorKind.RETRY, "YouTube has forgotten the upload; it begins anew.")

    async def abandon(self, shipment: Shipment) -> None:
        if note := shipment.notes.pop("ahead", None):
            await self.ask("DELETE", note["session"], ok=(200, 204, 404, 410, 499))

    async def _begin(self, shipment: Shipment, lecture: Product, size: int | None) -> str:
        """A new upload's address; without `size` its length is told later."""
        headers = {"x-upload-content-type": lecture.media_type}
        if size is not None:
            headers["x-upload-content-length"] = str(size)
        answer = await self.ask(
            "POST",
            f"{self.options.url}/upload/youtube/v3/videos",
            params={"uploadType": "resumable", "part": "snippet,status"},
            headers=headers,
            json=self._words(shipment.metadata),
        )
        return str(answer.headers["location"])

    async def _upload(self, shipment: Shipment, lecture: Product, note: dict[str, Any]) -> str:
        if "session" not in note and (begun := shipment.notes.pop("ahead", None)):
            form = open_form(lecture.path, bytes.fromhex(begun["head"]))
            if form and await resumable.there(self.ask, begun["session"]) >= HEAD:
                note["session"], note["size"] = begun["session"], form.size
            await shipment.save()
        if "session" not in note:
            note["session"] = await self._begin(shipment, lecture, lecture.size)
            await shipment.save()
        done = await resumable.resume(
            self.ask,
            note["session"],
            shipment,
            lecture,
            chunk=int(self.options.chunk_mb * (1 << 20)),
            size=note.get("size"),
        )
        note.pop("session")
        if done is None:
            note.pop("size", None)
            raise TargetError(ErrorKind.RETRY, "YouTube has forgotten the upload; it begins anew.")
        return str(done.json()["id"])

    async def _caption(self, shipment: Shipment, video: str, captions: Product) -> None:
        if spoken.there(shipment, captions, video):
            shipment.at(captions, captions.size)
            return
        boundary = f"classroomd-{secrets.token_hex(12)}"
        told: dict[str, Any] = {
            "snippet": {"videoId": video, "language": captions.language, "name": ""}
        }
        track = (await self._tracks(video)).get(captions.language or "")
        if track:
            told = {"id": track}
        text = await shipment.read(captions, 0, captions.size)
        body = (
            f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{json.dumps(told)}\r\n"
            f"--{boundary}\r\nContent-Type: text/vtt\r\n\r\n"
        ).encode() + text
        await self.ask(
            "PUT" if track else "POST",
            f"{self.options.url}/upload/youtube/v3/captions",
            params={"uploadType": "multipart", "part": "id" if track else "snippet"},
            headers={"content-type": f"multipart/related; boundary={boundary}"},
            content=body + f"\r\n--{boundary}--\r\n".encode(),
        )
        await spoken.given(shipment, captions, video)

    async def _tracks(self, video: str) -> dict[str, str]:
        """Language → id of the caption tracks that YouTube did not make itself."""
        told = await self._call("GET", "captions", part="snippet", videoId=video)
        return {
            str(one["snippet"]["language"]): str(one["id"])
            for one in told.get("items", [])
            if one["snippet"].get("trackKind") != "asr"
        }

    async def _list(self, video: str) -> None:
        playlist = self.options.playlist
        there = await self._call(
            "GET", "playlistItems", part="snippet", playlistId=playlist, videoId=video
        )
        if not there.get("items"):
            resource = {"kind": "youtube#video", "videoId": video}
            item = {"snippet": {"playlistId": playlist, "resourceId": resource}}
            url = f"{self.options.url}/youtube/v3/playlistItems"
            await self.ask("POST", url, params={"part": "snippet"}, json=item)

    async def _find(self, shipment: Shipment) -> str | None:
        """The video among the channel's latest uploads whose description names the recording."""
        mine = await self._call("GET", "channels", part="contentDetails", mine="true")
        if not mine.get("items"):
            raise TargetError(
                ErrorKind.BLOCKED, "This account has no channel.", "Create one on YouTube."
            )
        uploads = mine["items"][0]["contentDetails"]["relatedPlaylists"]["uploads"]
        page: dict[str, str] = {}
        for _ in range(_PAGES):
            told = await self._call(
                "GET", "playlistItems", part="snippet", playlistId=uploads, maxResults="50", **page
            )
            for item in told.get("items", []):
                video = str(item["snippet"]["resourceId"]["videoId"])
                old = video in shipment.older
                if shipment.metadata.mark in item["snippet"]["description"] and not old:
                    return video
            if "nextPageToken" not in told:
                break
            page = {"pageToken": told["nextPageToken"]}
        return None

    async def _delete(self, video: str) -> None:
        await self._call("DELETE", "videos", id=video)

    async def _call(self, method: str, what: str, **params: str) -> dict[str, Any]:
        ok = (200, 204, 404) if method == "DELETE" else (200,)
        url = f"{self.options.url}/youtube/v3/{what}"
        answer = await self.ask(method, url, params=params, ok=ok)
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return told

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request with a token."""
        return await self.door.ask(method, url, **more)

    async def _renew(self) -> str:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.options.client_id,
            "client_secret": secret(self.options.client_secret),
            "refresh_token": secret(self.options.secret),
        }
        answer = await self.web.ask("POST", self.options.oauth_url, data=form, ok=(200, 400, 401))
        if answer.status_code != 200:
            raise TargetError(
                ErrorKind.BLOCKED,
                "Google no longer accepts the refresh token.",
                f"Authorise the channel anew and replace `secret` of [[publish]] {self.id}.",
            )
        return str(answer.json()["access_token"])

    def _words(self, about: Metadata) -> dict[str, Any]:
        text = f"{about.text()}\n\n{about.mark}".strip()
        snippet = {
            "title": re.sub("[<>]", "", about.title)[:100],
            "description": re.sub("[<>]", "", text)[-4900:],
            "categoryId": self.options.category,
        }
        if about.language:
            snippet["defaultLanguage"] = snippet["defaultAudioLanguage"] = about.language
        free = (about.licence or "").upper().startswith(("CC-BY-3", "CC-BY-4", "CC BY"))
        status = {
            "privacyStatus": _PRIVACY[about.visibility],
            "license": "creativeCommon" if free else "youtube",
            "selfDeclaredMadeForKids": False,
        }
        return {"snippet": snippet, "status": status}


def _seconds(told: str) -> float | None:
    """`PT1H2M3S` in seconds."""
    parts = re.fullmatch(r"P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", told)
    if not parts:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)

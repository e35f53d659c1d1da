"""Kaltura: an entry that the recording's id finds again, and an upload token that resumes.

Source: Kaltura API v3 reference (session.start, media.*, uploadToken.*, flavorAsset.list,
captionAsset.*, cuePoint.*: a chapter is a ThumbCuePoint of the subtype 2, its time in ms). Every
error is HTTP 200 with a KalturaAPIException.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import httpx
from pydantic import Field

from publishing import captions as spoken
from publishing import multipart
from publishing.http import Url, Web
from publishing.metadata import for_a_course
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.signed_in import Meaning
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

_NO_CONTENT, _READY, _BROKEN = 7, 2, (-2, -1, 5, 6)
_CHAPTER, _OURS = 2, "classroomd"
_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "pt": "Portuguese",
    "ru": "Russian",
    "zh": "Chinese",
}
_BAD_SECRET = ("START_SESSION_ERROR", "INVALID_KS", "MISSING_KS", "SERVICE_FORBIDDEN")
_SAYS = "Kaltura says: {said} ({code})."
_UNKNOWN = Meaning(ErrorKind.RETRY, _SAYS, "If it stays so, ask Kaltura about this code.")
_QUOTA = Meaning(ErrorKind.BLOCKED, _SAYS, "Raise the partner's storage quota.")
_SECRET = Meaning(ErrorKind.BLOCKED, _SAYS, "Check `partner_id` and `secret` of this target.")
_MEANINGS = {
    **dict.fromkeys(_BAD_SECRET, _SECRET),
    **dict.fromkeys(("QUOTA_EXCEEDED", "PARTNER_QUOTA", "STORAGE_QUOTA"), _QUOTA),
}


class KalturaOptions(Options):
    """`secret` is the partner's administrator secret. `category` is a category's full name."""

    partner_id: int
    secret: SecretRef
    user: str = "classroomd"
    category: str = ""
    chunk_mb: float = Field(16, gt=0)
    url: Url = "https://www.kaltura.com"
    ca_file: str | None = None


class Kaltura(Target):
    """One media entry for each recording, its `referenceId` is the recording's id."""

    name = "kaltura"
    schema: ClassVar[type[Options]] = KalturaOptions
    resumes = True
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS})
    options: KalturaOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web(
            "Kaltura",
            refused_hint=f"Check `partner_id` and `secret` of [[publish]] {self.id}.",
            ca_file=self.options.ca_file,
        )
        self._session = ""
        self.lacks_points = False
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        lecture, note = shipment.lecture, shipment.note(shipment.lecture)
        entry = await self._entry(shipment)
        if entry and entry["id"] == shipment.notes.get("superseded"):
            await self.call("media", "delete", entryId=entry["id"])
            entry = None
        shipment.notes.pop("superseded", None)
        if entry is None:
            entry = await self._create(shipment)
        if entry["status"] == _NO_CONTENT:
            token = await self._upload(shipment, lecture, note)
            await self.call(
                "media",
                "addContent",
                entryId=entry["id"],
                resource={"objectType": "KalturaUploadedFileTokenResource", "token": token},
            )
        shipment.at(lecture, lecture.size)
        for captions in shipment.of(Kind.CAPTIONS):
            await self._caption(shipment, entry["id"], captions)
        await self._chapters(shipment, entry["id"])

    async def verify(self, shipment: Shipment) -> Receipt:
        lecture, entry = shipment.lecture, await self._entry(shipment)
        if entry is None or entry["status"] == _NO_CONTENT:
            raise TargetError(ErrorKind.ABSENT, "Kaltura has no content of this recording yet.")
        if entry["status"] in _BROKEN:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Kaltura could not process the entry (status {entry['status']}).",
                f"Look at entry {entry['id']} in the management console, delete it, then retry.",
            )
        if entry["status"] != _READY:
            raise TargetError(ErrorKind.WAIT, "Kaltura is processing the entry.")
        listed = await self.call(
            "flavorAsset",
            "list",
            filter={"objectType": "KalturaAssetFilter", "entryIdEqual": entry["id"]},
        )
        source = next((one for one in listed["objects"] if one.get("isOriginal")), None)
        seconds = float(entry.get("msDuration") or 0) / 1000
        size = int(source["sizeInBytes"]) if source and source.get("sizeInBytes") else None
        if size not in (None, lecture.size):
            shipment.notes["superseded"] = entry["id"]
            raise TargetError(ErrorKind.ABSENT, "Kaltura has another version of this recording.")
        if size is None and not shipment.metadata.lasts(seconds):
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Kaltura reports {seconds:g} s, the lecture has {shipment.metadata.duration_s} s.",
                "Compare the entry in the management console with the recording.",
            )
        files = [ArrivedFile(name=lecture.name, size=size, duration_s=seconds)]
        assets = await self._assets(entry["id"])
        for captions in shipment.of(Kind.CAPTIONS):
            given = spoken.there(shipment, captions, entry["id"])
            if _language(captions.language) not in assets or not given:
                raise TargetError(ErrorKind.ABSENT, f"{captions.name} is not in Kaltura yet.")
            files.append(ArrivedFile(name=captions.name))
        there = {int(point["startTime"]) for point in await self._points(entry["id"])}
        if not self.lacks_points and there != {start for start, _ in _starts(shipment)}:
            raise TargetError(ErrorKind.ABSENT, "Kaltura has other chapters.")
        for language in spoken.gone(shipment):
            if asset := assets.get(_language(language)):
                await self.call(
                    "caption_captionAsset", "delete", missing=True, captionAssetId=asset
                )
            spoken.taken_away(shipment, language)
        return Receipt(
            target=self.id,
            how="duration" if size is None else "size",
            files=files,
            place=str(entry.get("dataUrl", "")),
            reference=entry["id"],
        )

    async def reword(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        if entry := await self._entry(shipment):
            words = self._words(shipment)
            await self.call("media", "update", entryId=entry["id"], mediaEntry=words)
            await self._chapters(shipment, entry["id"])

    async def withdraw(self, shipment: Shipment) -> None:
        if entry := await self._entry(shipment):
            await self.call("media", "delete", entryId=entry["id"])

    # -- the steps ----------------------------------------------------------------------------

    async def _entry(self, shipment: Shipment) -> dict[str, Any] | None:
        reference = shipment.metadata.recording
        listed = await self.call(
            "media",
            "list",
            filter={"objectType": "KalturaMediaEntryFilter", "referenceIdEqual": reference,
                    "statusIn": "-2,-1,0,1,2,4,5,6,7"},
        )  # fmt: skip
        return dict(listed["objects"][0]) if listed["objects"] else None

    async def _create(self, shipment: Shipment) -> dict[str, Any]:
        entry = {**self._words(shipment), "mediaType": 1}
        if self.options.category:
            entry["categories"] = self.options.category
        return dict(await self.call("media", "add", entry=entry))

    def _words(self, shipment: Shipment) -> dict[str, Any]:
        about = shipment.metadata
        return {
            "objectType": "KalturaMediaEntry",
            "name": about.title,
            "description": about.text(),
            "referenceId": about.recording,
            "tags": ",".join(filter(None, (about.course, about.lecturer, about.room))),
        }

    async def _upload(self, shipment: Shipment, lecture: Product, note: dict[str, Any]) -> str:
        """Chunks appended at `resumeAt`; the token tells how many bytes it holds."""
        offset = 0
        if token := note.get("token"):
            told = await self.call("uploadToken", "get", missing=True, uploadTokenId=token)
            offset = int(told.get("uploadedFileSize") or 0)
            if told.get("status") not in (0, 1, 2):
                token, offset = None, 0
            elif told["status"] == 2:
                return str(token)
        if not token:
            told = await self.call(
                "uploadToken",
                "add",
                uploadToken={"objectType": "KalturaUploadToken", "fileName": lecture.name,
                             "fileSize": lecture.size},
            )  # fmt: skip
            token = note["token"] = str(told["id"])
            await shipment.save()
        size = int(self.options.chunk_mb * (1 << 20))
        while True:
            length = min(size, lecture.size - offset)
            last = offset + length >= lecture.size
            fields = [
                ("ks", await self._ks()),
                ("format", "1"),
                ("uploadTokenId", token),
                ("resume", "1" if offset else "0"),
                ("finalChunk", "1" if last else "0"),
                ("resumeAt", str(offset) if offset else "-1"),
            ]
            form = multipart.body(shipment, fields, "fileData", lecture, offset=offset, size=length)
            answer = await self.web.ask(
                "POST",
                f"{self.options.url}/api_v3/service/uploadToken/action/upload",
                content=form.content,
                headers=form.headers,
            )
            self._told(answer)
            offset += length
            if last:
                return str(token)

    async def _caption(self, shipment: Shipment, entry: str, captions: Product) -> None:
        language = _language(captions.language)
        if spoken.there(shipment, captions, entry):
            shipment.at(captions, captions.size)
            return
        if (made := (await self._assets(entry)).get(language)) is None:
            asset = {"objectType": "KalturaCaptionAsset", "language": language, "format": 3,
                     "label": language}  # fmt: skip
            told = await self.call("caption_captionAsset", "add", entryId=entry, captionAsset=asset)
            made = str(told["id"])
        text = (await shipment.read(captions, 0, captions.size)).decode()
        await self.call(
            "caption_captionAsset",
            "setContent",
            id=made,
            contentResource={"objectType": "KalturaStringResource", "content": text},
        )
        await spoken.given(shipment, captions, entry)

    async def _chapters(self, shipment: Shipment, entry: str) -> None:
        """Ours as they are now; those that somebody made in Kaltura stay."""
        wanted = _starts(shipment)
        for point in await self._points(entry):
            if (here := (int(point["startTime"]), str(point["title"]))) in wanted:
                wanted.remove(here)
            else:
                await self.call("cuepoint_cuePoint", "delete", missing=True, id=point["id"])
        for start, title in () if self.lacks_points else wanted:
            point = {"objectType": "KalturaThumbCuePoint", "subType": _CHAPTER, "entryId": entry,
                     "startTime": start, "title": title, "tags": _OURS}  # fmt: skip
            await self.call("cuepoint_cuePoint", "add", cuePoint=point)

    async def _points(self, entry: str) -> list[dict[str, Any]]:
        """Our chapters of an entry; none where the server has no cue points."""
        told = await self.call(
            "cuepoint_cuePoint",
            "list",
            missing=True,
            filter={"objectType": "KalturaThumbCuePointFilter", "entryIdEqual": entry,
                    "subTypeEqual": _CHAPTER, "tagsLike": _OURS},
            pager={"objectType": "KalturaFilterPager", "pageSize": 500},
        )  # fmt: skip
        self.lacks_points = "objects" not in told
        return list(told.get("objects", []))

    async def _assets(self, entry: str) -> dict[str, str]:
        """Language → id of captions with content; an asset without any is deleted and made anew."""
        listed = await self.call(
            "caption_captionAsset",
            "list",
            filter={"objectType": "KalturaAssetFilter", "entryIdEqual": entry},
        )
        for asset in listed["objects"]:
            if asset["status"] == 0:
                await self.call("caption_captionAsset", "delete", captionAssetId=asset["id"])
        return {one["language"]: one["id"] for one in listed["objects"] if one["status"] != 0}

    async def call(
        self, service: str, action: str, *, missing: bool = False, **parameters: Any
    ) -> Any:
        """One API call as JSON; `missing` makes a thing that is not found an empty answer."""
        answer = await self.web.ask(
            "POST",
            f"{self.options.url}/api_v3/service/{service}/action/{action}",
            json={"ks": await self._ks(), "format": 1, **parameters},
        )
        return self._told(answer, missing=missing)

    async def _ks(self) -> str:
        if not self._session:
            answer = await self.web.ask(
                "POST",
                f"{self.options.url}/api_v3/service/session/action/start",
                json={
                    "format": 1,
                    "secret": secret(self.options.secret),
                    "userId": self.options.user,
                    "type": 2,
                    "partnerId": self.options.partner_id,
                    "expiry": 86400,
                },
            )
            self._session = str(self._told(answer))
        return self._session

    def _told(self, answer: httpx.Response, *, missing: bool = False) -> Any:
        try:
            told = answer.json()
        except ValueError as error:
            raise TargetError(
                ErrorKind.RETRY, "Kaltura answered with something that is no JSON."
            ) from error
        if not isinstance(told, dict) or told.get("objectType") != "KalturaAPIException":
            return told
        code = str(told.get("code", ""))
        if missing and code.endswith(("NOT_FOUND", "NOT_EXIST", "NOT_EXISTS")):
            return {}
        if code in _BAD_SECRET:
            self._session = ""
        raise _MEANINGS.get(code, _UNKNOWN).error(code, str(told.get("message", "")))


def _starts(shipment: Shipment) -> list[tuple[int, str]]:
    return sorted((int(t * 1000), title) for t, title in shipment.metadata.chapters)


def _language(tag: str | None) -> str:
    return _LANGUAGES.get((tag or "").partition("-")[0].lower(), "Undefined")

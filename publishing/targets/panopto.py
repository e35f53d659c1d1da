"""Panopto: an upload session, S3 multipart into it, a manifest, and then patience.

Source: Panopto's published upload sample (upload-python-sample; parts of 5 to 25 MB, keys are not
looked at, signature version 4, states of a session) and the description of its REST API: sessions,
and `sessions/{id}/captions`, which takes SRT or VTT with a language and times of the session as it
is seen. They are not listed by language; a session with captions has a `CaptionDownloadUrl`.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar, Self
from urllib.parse import quote
from xml.sax.saxutils import escape

import httpx
from pydantic import Field

from publishing import captions as spoken
from publishing import multipart
from publishing.http import Url, Web
from publishing.metadata import Metadata, for_a_course
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.signed_in import SignedIn, login_refused
from publishing.sigv4 import SigV4
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
from publishing.targets.s3 import MIB, Bucket

_COMPLETE, _FORGOTTEN = 4, -1
_BROKEN = {2: "cancelled", 5: "processing error", 6: "being deleted", 7: "deleted", 8: "deleted"}
_MANIFEST = "upload_manifest.xml"
_CAPTIONS_S = 3600.0
_LANGUAGES = {
    "ar": "Arabic",
    "ca": "Catalan",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "en": "English_USA",
    "en-au": "English_AUS",
    "en-gb": "English_GBR",
    "es": "Spanish_ESP",
    "es-mx": "Spanish_MEX",
    "eu": "Basque",
    "fi": "Finnish",
    "fr": "French",
    "fr-ca": "French_CAN",
    "gl": "Galician",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nb": "Norwegian",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "vi": "Vietnamese",
    "zh": "Chinese_Simplified",
    "zh-hant": "Chinese_Traditional",
    "zh-tw": "Chinese_Traditional",
}
_UCS = "http://tempuri.org/UniversalCaptureSpecification/v1"


class PanoptoOptions(Options):
    """`client_id` and `client_secret` are an API client of the type "user based server
    application"; `user` with `secret` is who uploads. `folder` is a folder's id (a GUID).
    """

    url: Url
    client_id: str
    client_secret: SecretRef
    user: str
    secret: SecretRef
    folder: str
    part_mb: int = Field(10, ge=5, le=25)
    ca_file: str | None = None


class Panopto(Target):
    """One session for each recording; the recording's id in its description finds it again."""

    name = "panopto"
    schema: ClassVar[type[Options]] = PanoptoOptions
    resumes = True
    takes = frozenset({Kind.LECTURE, Kind.CAPTIONS})
    options: PanoptoOptions
    web: Web

    async def __aenter__(self) -> Self:
        self.web = Web(
            "Panopto",
            refused_hint=f"Check the client and the user of [[publish]] {self.id}, and that this "
            "user may create sessions in the folder.",
            ca_file=self.options.ca_file,
        )
        self.door = SignedIn(self.web, self._login, expired=(401, 403))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        lecture, note = shipment.lecture, shipment.note(shipment.lecture)
        if "upload" not in note:
            answer = await self.ask(
                "POST",
                f"{self.options.url}/Panopto/PublicAPI/REST/sessionUpload",
                ok=(200, 201),
                json={"FolderId": self.options.folder},
            )
            note["upload"] = answer.json()
            await shipment.save()
        upload = note["upload"]
        if not note.get("sent"):
            await self._put(shipment, lecture, note)
            note["sent"] = True
            await shipment.save()
        shipment.at(lecture, lecture.size)
        now = await self._upload(upload)
        if now["State"] == 0:
            body = {**upload, "State": 1}
            await self.ask("PUT", self._upload_url(upload), ok=(200, 204), json=body)
            now = await self._upload(upload)
        # Captions are given to a session, which is there when the upload was processed.
        done = now["State"] in (_COMPLETE, _FORGOTTEN)
        if done and (found := await self._found(shipment, now)):
            for captions in shipment.of(Kind.CAPTIONS):
                await self._caption(shipment, found["Id"], captions)

    async def verify(self, shipment: Shipment) -> Receipt:
        lecture, note = shipment.lecture, shipment.note(shipment.lecture)
        upload, now = note.get("upload"), dict[str, Any]()
        if upload:
            now = await self._upload(upload)
            state = now["State"]
            if state in _BROKEN:
                note.clear()
                note["stamp"] = lecture.stamp
                raise TargetError(ErrorKind.ABSENT, f"Panopto's session is {_BROKEN[state]}.")
            if state == 0:
                raise TargetError(ErrorKind.ABSENT, "The upload to Panopto is not finished.")
            if state not in (_COMPLETE, _FORGOTTEN):
                raise TargetError(ErrorKind.WAIT, "Panopto is processing the session.")
        found = await self._found(shipment, now)
        if found is None:
            note.pop("upload", None)
            for name in ("sent", "multipart", "parts", "completed"):
                note.pop(name, None)
            raise TargetError(ErrorKind.ABSENT, "Panopto has no session of this recording.")
        seconds = float(found.get("Duration") or 0)
        if not shipment.metadata.lasts(seconds):
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Panopto reports {seconds:g} s, the lecture has {shipment.metadata.duration_s} s.",
                "Compare the session in Panopto with the recording.",
            )
        await self._captioned(shipment, found)
        await self._replace(shipment, found["Id"])
        place = found.get("Urls", {}).get("ViewerUrl") or (
            f"{self.options.url}/Panopto/Pages/Viewer.aspx?id={found['Id']}"
        )
        files = [ArrivedFile(name=lecture.name, duration_s=seconds, place=place)]
        files += [
            ArrivedFile(name=captions.name)
            for captions in shipment.of(Kind.CAPTIONS)
            if language(captions.language)
        ]
        return Receipt(
            target=self.id, how="duration", files=files, place=place, reference=found["Id"]
        )

    async def reword(self, shipment: Shipment) -> None:
        for_a_course(shipment.metadata)
        if (found := await self._find(shipment)) is not None:
            about, mark = shipment.metadata, await self._mark(shipment)
            words = {"Name": about.title, "Description": f"{about.text()}\n\n{mark}".strip()}
            url = f"{self.options.url}/Panopto/api/v1/sessions/{quote(found['Id'])}"
            await self.ask("PUT", url, json=words)

    async def withdraw(self, shipment: Shipment) -> None:
        for one in await self._all(shipment):
            await self._delete(one["Id"])

    # -- the steps ----------------------------------------------------------------------------

    async def _put(self, shipment: Shipment, lecture: Product, note: dict[str, Any]) -> None:
        """The lecture in parts, each noted when it is there, then the manifest that names it."""
        endpoint, bucket, prefix = note["upload"]["UploadTarget"].rsplit("/", 2)
        async with Web("Panopto's upload server", ca_file=self.options.ca_file) as web:
            # The server looks at no key, but refuses requests without a signature.
            web.use(SigV4("none", "none", "us-east-1", skew=lambda: web.skew_s))
            store = Bucket(web, f"{endpoint}/{bucket}", signed=True)
            key, size = f"{prefix}/{lecture.name}", self.options.part_mb * MIB
            if "multipart" not in note:
                note["multipart"] = await store.begin(key, lecture.media_type, clear=False)
                note["parts"] = {}
                await shipment.save()
            parts: dict[str, str] = note["parts"]
            for number, offset in enumerate(range(0, lecture.size, size), 1):
                length = min(size, lecture.size - offset)
                if str(number) not in parts:
                    data = await shipment.read(lecture, offset, length)
                    parts[str(number)] = await store.part(
                        shipment, lecture, key, note["multipart"], number, data, offset
                    )
                    await shipment.save()
                shipment.at(lecture, offset + length)
            if not note.get("completed"):
                # A lost answer leaves an upload that is no longer known, and a file that is there.
                tags = {int(number): tag for number, tag in parts.items()}
                try:
                    await store.complete(key, note["multipart"], tags)
                except TargetError as error:
                    if error.kind is not ErrorKind.ABSENT:
                        raise
                note["completed"] = True
                await shipment.save()
            about = manifest(shipment.metadata, lecture.name, await self._mark(shipment))
            await store.store(f"{prefix}/{_MANIFEST}", about, "text/xml")

    async def _caption(self, shipment: Shipment, session: str, captions: Product) -> None:
        """Captions in one language; those that it has are replaced."""
        known = language(captions.language)
        if known and not spoken.there(shipment, captions, session):
            form = multipart.body(shipment, [("language", known)], "file", captions)
            url = f"{self.options.url}/Panopto/api/v1/sessions/{quote(session)}/captions"
            await self.ask("POST", url, content=form.content, headers=form.headers)
            shipment.note(captions)["at"] = time.time()
            await spoken.given(shipment, captions, session)
        shipment.at(captions, captions.size)

    async def _captioned(self, shipment: Shipment, session: dict[str, Any]) -> None:
        """Raise TargetError until the session shows captions where it was given some."""
        shown = bool((session.get("Urls") or {}).get("CaptionDownloadUrl"))
        given = [one for one in shipment.of(Kind.CAPTIONS) if language(one.language)]
        for captions in given:
            note = shipment.note(captions)
            if not spoken.there(shipment, captions, session["Id"]):
                raise TargetError(ErrorKind.ABSENT, f"{captions.name} is not in Panopto yet.")
            if not shown and 0 <= time.time() - note.get("at", 0) < _CAPTIONS_S:
                raise TargetError(ErrorKind.WAIT, "Panopto is taking the captions in.")
            if not shown:
                note.pop("there")
                raise TargetError(ErrorKind.ABSENT, f"Panopto has lost {captions.name}.")
        for gone in spoken.gone(shipment):
            if shown and not given:
                raise TargetError(
                    ErrorKind.BLOCKED,
                    f"Panopto still shows captions ({gone}) that this recording no longer has.",
                    f"Delete the captions of session {session['Id']} in Panopto, then retry.",
                )
            spoken.taken_away(shipment, gone)

    async def _found(self, shipment: Shipment, upload: dict[str, Any]) -> dict[str, Any] | None:
        """The session that an upload became, else the one with this lecture."""
        if session := upload.get("SessionId"):
            return await self._session(session)
        return await self._find(shipment)

    async def _session(self, session: str) -> dict[str, Any] | None:
        url = f"{self.options.url}/Panopto/api/v1/sessions/{quote(session)}"
        answer = await self.ask("GET", url, ok=(200, 404))
        return dict(answer.json()) if answer.status_code == 200 else None

    async def _find(self, shipment: Shipment) -> dict[str, Any] | None:
        """The session of this very lecture."""
        exact = await self._mark(shipment)
        found = (one["Id"] for one in await self._all(shipment) if exact in one["Description"])
        # A search does not tell every address of what it finds.
        session = next(found, None)
        return await self._session(session) if session else None

    async def _replace(self, shipment: Shipment, session: str) -> None:
        """Delete older versions of this recording once the new one is proved."""
        for one in await self._all(shipment):
            if one["Id"] != session:
                await self._delete(one["Id"])

    async def _all(self, shipment: Shipment) -> list[dict[str, Any]]:
        """Every session of this recording, whatever version of the lecture it has."""
        answer = await self.ask(
            "GET",
            f"{self.options.url}/Panopto/api/v1/sessions/search",
            params={"searchQuery": shipment.metadata.recording},
        )
        mark = f"{shipment.metadata.mark} "
        found = [dict(one) for one in answer.json().get("Results", [])]
        return [one for one in found if mark in (one.get("Description") or "")]

    async def _mark(self, shipment: Shipment) -> str:
        """Names the recording and the lecture's content, because Panopto reports no size."""
        digest = await shipment.digest(shipment.lecture)
        return f"{shipment.metadata.mark} ({digest[:12]})"

    async def _delete(self, session: str) -> None:
        url = f"{self.options.url}/Panopto/api/v1/sessions/{quote(session)}"
        await self.ask("DELETE", url, ok=(200, 204, 404))

    async def _upload(self, upload: dict[str, Any]) -> dict[str, Any]:
        """How far Panopto is with an upload; it forgets those that were long ago."""
        answer = await self.ask("GET", self._upload_url(upload), ok=(200, 404))
        return dict(answer.json()) if answer.status_code == 200 else {"State": _FORGOTTEN}

    def _upload_url(self, upload: dict[str, Any]) -> str:
        return f"{self.options.url}/Panopto/PublicAPI/REST/sessionUpload/{upload['ID']}"

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request with a token; Panopto says 403 when it ran out."""
        return await self.door.ask(method, url, **more)

    async def _login(self) -> str:
        client = httpx.BasicAuth(self.options.client_id, secret(self.options.client_secret))
        form = {
            "grant_type": "password",
            "username": self.options.user,
            "password": secret(self.options.secret),
            "scope": "api",
        }
        url = f"{self.options.url}/Panopto/oauth2/connect/token"
        answer = await self.web.ask("POST", url, data=form, auth=client, ok=(200, 400, 401))
        if answer.status_code != 200:
            raise login_refused("Panopto", self.id, "the client and the user")
        return str(answer.json()["access_token"])


def language(tag: str | None) -> str | None:
    """What Panopto calls a language, None for those that it has no captions in."""
    told = (tag or "").lower()
    return _LANGUAGES.get(told) or _LANGUAGES.get(told.partition("-")[0])


def manifest(about: Metadata, lecture: str, mark: str) -> bytes:
    """What the upload is, in Panopto's Universal Capture Specification.

    Chapters are its table of contents; `mark` stands at the end of the description.
    """
    entries = "".join(
        f"<Entry><Title>{escape(title)}</Title><Description/><Url/><Time>PT{t:.3f}S</Time></Entry>"
        for t, title in about.chapters
    )
    description = f"{about.text()}\n\n{mark}".strip()
    date = about.started.strftime("%Y-%m-%dT%H:%M:%S.000-00:00")
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Session xmlns="{_UCS}">'
        f"<Title>{escape(about.title)}</Title><Description>{escape(description)}</Description>"
        f"<Date>{date}</Date><Videos><Video><Start>PT0S</Start><File>{lecture}</File>"
        f"<TableOfContents>{entries}</TableOfContents><Type>Primary</Type></Video></Videos>"
        "</Session>"
    ).encode()

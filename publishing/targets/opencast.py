"""Opencast: the ingest service, request by request, and the archive's own checksums as receipt.

Sources: IngestRestService, CaptureAgentStateRestService, the service registry's `available.json`
and the developer guide (capture agents, external API). Fields of a multipart body stand before
the file, because the parser stops at the first file. Ingest inspects every file before it answers,
so a proxy may say 504 while the workflow already runs: that is a question, never a failure.
"""

from __future__ import annotations

import time
import uuid
import xml.etree.ElementTree as ET
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote
from xml.sax.saxutils import escape

import httpx
from pydantic import Field

from publishing import multipart
from publishing.http import Url, Web
from publishing.metadata import Metadata
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

_INGEST = "org.opencastproject.ingest"
_EVENTS = uuid.UUID("6f0c1f0e-8a0f-4f0b-9a55-1c8e3d0e6b1d")
_MP = "{http://mediapackage.opencastproject.org}"
_WORKING = ("RUNNING", "INSTANTIATED", "PAUSED", "FAILING")
_INSPECTION_S = 3600.0


class OpencastOptions(Options):
    """`url` is the admin node. The user needs ROLE_CAPTURE_AGENT, and to prove what arrived,
    ROLE_API, ROLE_API_EVENTS_VIEW and read access to the event.

    `send`: the finished lecture, or the single tracks for Opencast's own player. `agent` names
    this room's capture agent, whose recording state is then kept up to date. A lost answer to
    ingest is waited for `settle_minutes` before it is ingested again.
    """

    url: Url
    user: str
    secret: SecretRef
    login: Literal["basic", "digest"] = "basic"
    workflow: str = "schedule-and-upload"
    parameters: dict[str, str] = Field(default_factory=dict)
    series: str = ""
    create_series: bool = False
    send: Literal["lecture", "tracks"] = "lecture"
    agent: str = ""
    settle_minutes: float = Field(10, ge=0)
    ca_file: str | None = None


class Opencast(Target):
    """One event for each recording: the scheduled one when the timetable named it."""

    name = "opencast"
    schema: ClassVar[type[Options]] = OpencastOptions
    takes = frozenset({Kind.LECTURE, Kind.TRACK, Kind.CAPTIONS})
    options: OpencastOptions
    web: Web

    async def __aenter__(self) -> Self:
        user, word = self.options.user, secret(self.options.secret)
        digest = self.options.login == "digest"
        self.web = Web(
            "Opencast",
            refused_hint=f"Check `user` and `secret` of [[publish]] {self.id}; the user needs "
            "ROLE_CAPTURE_AGENT, ROLE_API and ROLE_API_EVENTS_VIEW.",
            auth=httpx.DigestAuth(user, word) if digest else (user, word),
            headers={"x-requested-auth": "Digest"} if digest else {},
            ca_file=self.options.ca_file,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        notes, event = shipment.notes, self._event(shipment)
        if notes.get("ingesting", 0) + self.options.settle_minutes * 60 > time.time():
            raise TargetError(ErrorKind.WAIT, "Opencast may still be looking through the files.")
        ingest = await self._service(_INGEST)
        series = await self._series(shipment.metadata)
        await self._tell(event, "uploading")
        stamps = {product.name: product.stamp for product in shipment.products}
        if notes.get("stamps") != stamps or "ingesting" in notes:
            answer = await self.web.ask("PUT", f"{ingest}/createMediaPackageWithID/{event}")
            form = {
                "mediaPackage": answer.text,
                "dublinCore": _dublin_core(shipment.metadata, event, series),
                "flavor": "dublincore/episode",
            }
            answer = await self.web.ask("POST", f"{ingest}/addDCCatalog", data=form)
            notes.pop("ingesting", None)
            notes["stamps"], notes["package"], notes["added"] = stamps, answer.text, []
            await shipment.save()
        for product, flavor, tags in self._tracks(shipment):
            if product.name not in notes["added"]:
                await self._add(shipment, ingest, product, flavor, tags)
            shipment.at(product, product.size)
        notes["ingesting"] = time.time()
        await shipment.save()
        form = {
            "mediaPackage": notes["package"],
            "workflowDefinitionId": self.options.workflow,
            "workflowInstanceId": event,
            **self.options.parameters,
        }
        await self.web.ask("POST", f"{ingest}/ingest", data=form, timeout=_INSPECTION_S)
        await self._tell(event, "upload_finished")

    async def verify(self, shipment: Shipment) -> Receipt:
        event = self._event(shipment)
        answer = await self.web.ask("GET", f"{self.options.url}/api/events/{event}", ok=(200, 404))
        told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        state = told.get("processing_state") or ""
        if state in _WORKING:
            raise TargetError(ErrorKind.WAIT, "Opencast is processing the event.")
        if state in ("FAILED", "STOPPED") and "ingesting" in shipment.notes:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Opencast's workflow ended as {state}.",
                f"Look at event {event} in Opencast's admin interface and retry its workflow.",
            )
        if state != "SUCCEEDED":
            raise TargetError(ErrorKind.ABSENT, "Opencast has nothing of this event yet.")
        answer = await self.web.ask(
            "GET", f"{self.options.url}/assets/episode/{event}", ok=(200, 404)
        )
        held = _archived(answer) if answer.status_code == 200 else {}
        files = []
        for product, flavor, tags in self._tracks(shipment):
            checksum, duration = held.get((flavor, tags), (None, None))
            if checksum is None or checksum != f"md5:{await shipment.digest(product, 'md5')}":
                raise TargetError(
                    ErrorKind.ABSENT,
                    f"{product.name} is not in Opencast's archive as it was sent.",
                    f"The workflow {self.options.workflow} must archive the source tracks.",
                )
            shipment.at(product, product.size)
            files.append(
                ArrivedFile(
                    name=product.name, size=product.size, digest=checksum, duration_s=duration
                )
            )
        place = f"{self.options.url}/admin-ui/index.html#/events/events?search={event}"
        return Receipt(target=self.id, how="hash", files=files, place=place, reference=event)

    async def withdraw(self, shipment: Shipment) -> None:
        event = self._event(shipment)
        await self.web.ask(
            "DELETE", f"{self.options.url}/api/events/{event}", ok=(200, 202, 204, 404)
        )

    # -- the steps ----------------------------------------------------------------------------

    async def _service(self, kind: str) -> str:
        """Where a service is now: an object when there is one, a list of several, or ""."""
        answer = await self.web.ask(
            "GET", f"{self.options.url}/services/available.json", params={"serviceType": kind}
        )
        found = (answer.json().get("services") or {}).get("service", "")
        for one in found if isinstance(found, list) else [found]:
            if one and one["active"] and one["online"] and not one["maintenance"]:
                return f"{one['host'].rstrip('/')}{one['path']}"
        raise TargetError(
            ErrorKind.RETRY,
            "Opencast has no ingest service that is online.",
            "Check the services in Opencast's admin interface.",
        )

    async def _add(
        self, shipment: Shipment, ingest: str, product: Product, flavor: str, tags: str
    ) -> None:
        fields = [("flavor", flavor), ("mediaPackage", shipment.notes["package"])]
        if tags:
            fields.insert(1, ("tags", tags))
        form = multipart.body(shipment, fields, "BODY", product)
        answer = await self.web.ask(
            "POST",
            f"{ingest}/addTrack",
            content=form.content,
            headers=form.headers,
            timeout=_INSPECTION_S,
        )
        shipment.notes["package"] = answer.text
        shipment.notes["added"].append(product.name)
        await shipment.save()

    def _tracks(self, shipment: Shipment) -> list[tuple[Product, str, str]]:
        """What goes up, with Opencast's flavor and tags: (product, flavor, tags)."""
        tracks = shipment.of(Kind.TRACK) if self.options.send == "tracks" else []
        chosen: list[tuple[Product, str, str]] = []
        seen: dict[str, int] = {}
        for product in tracks:
            kind = "presentation" if product.role == "slides" else "presenter"
            number = seen[kind] = seen.get(kind, -1) + 1
            chosen.append((product, f"{kind}/source{f'-{number}' if number else ''}", ""))
        if not chosen:
            chosen = [(shipment.lecture, "presenter/source", "")]
        return chosen + [
            (product, "captions/source", f"lang:{product.language}")
            for product in shipment.of(Kind.CAPTIONS)
        ]

    async def _series(self, metadata: Metadata) -> str:
        about = {"course": metadata.course or "", "lecturer": metadata.lecturer or ""}
        series = self.options.series.format(**about)
        if not series or not self.options.create_series:
            return series
        answer = await self.web.ask(
            "GET", f"{self.options.url}/series/{quote(series)}.json", ok=(200, 404)
        )
        if answer.status_code == 404:
            title = metadata.course_title or metadata.course or series
            catalog = _catalog({"identifier": series, "title": title})
            await self.web.ask(
                "POST", f"{self.options.url}/series/", data={"series": catalog}, ok=(200, 201, 204)
            )
        return series

    async def _tell(self, event: str, state: str) -> None:
        """The recording's state, as a capture agent tells it; unknown recordings are no error."""
        if self.options.agent:
            url = f"{self.options.url}/capture-admin/recordings/{event}"
            await self.web.ask("POST", url, data={"state": state}, ok=(200, 404))

    def _event(self, shipment: Shipment) -> str:
        """The scheduled event, or an identifier that is always the same for this recording."""
        about = shipment.metadata
        return about.event or str(uuid.uuid5(_EVENTS, about.recording))


def _dublin_core(metadata: Metadata, event: str, series: str) -> str:
    end = metadata.ended.strftime("%Y-%m-%dT%H:%M:%SZ")
    start = metadata.started.strftime("%Y-%m-%dT%H:%M:%SZ")
    return _catalog(
        {
            "identifier": event,
            "title": metadata.title,
            "creator": metadata.lecturer,
            "created": start,
            "temporal": f"start={start}; end={end}; scheme=W3C-DTF;",
            "spatial": metadata.room,
            "language": metadata.language,
            "license": metadata.licence,
            "description": metadata.text(),
            "accessRights": metadata.visibility.value,
            "isPartOf": series,
        }
    )


def _catalog(terms: dict[str, str | None]) -> str:
    lines = "".join(
        f"<dcterms:{name}>{escape(value)}</dcterms:{name}>"
        for name, value in terms.items()
        if value
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<dublincore xmlns="http://www.opencastproject.org/xsd/1.0/dublincore/"'
        f' xmlns:dcterms="http://purl.org/dc/terms/">{lines}</dublincore>'
    )


def _archived(answer: httpx.Response) -> dict[tuple[str, str], tuple[str, float | None]]:
    """(flavor, language tag) → (`algorithm:hex`, seconds) of each track in the archive."""
    try:
        package = ET.fromstring(answer.content)  # noqa: S314 - expat guards against expansion
    except ET.ParseError as error:
        raise TargetError(ErrorKind.RETRY, "Opencast's media package cannot be read.") from error
    held = {}
    for track in package.iter(f"{_MP}track"):
        checksum = track.find(f"{_MP}checksum")
        duration = track.findtext(f"{_MP}duration") or ""
        tags = [tag.text or "" for tag in track.iter(f"{_MP}tag")]
        tag = next((one for one in tags if one.startswith("lang:")), "")
        if checksum is not None:
            digest = f"{checksum.get('type')}:{(checksum.text or '').lower()}"
            seconds = int(duration) / 1000 if duration.isdigit() else None
            held[track.get("type", ""), tag] = (digest, seconds)
    return held

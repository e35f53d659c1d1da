"""Opencast: the ingest service, request by request, and the archive's own checksums as receipt.

Sources: IngestRestService, CaptureAgentStateRestService, the service registry's `available.json`
and the developer guide (capture agents, external API). Fields of a multipart body stand before
the file, because the parser stops at the first file. Ingest inspects every file before it answers,
so a proxy may say 504 while the workflow already runs: that is a question, never a failure.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any, ClassVar, Literal, Self
from urllib.parse import quote

import httpx
from pydantic import Field

from publishing import multipart, partial
from publishing.capture_agent import CaptureAgent, service
from publishing.http import Url, Web
from publishing.metadata import Metadata, read_manifest
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
from publishing.targets.opencast_package import archived, catalog, dublin_core, policy, roles

_INGEST = "org.opencastproject.ingest"
_EVENTS = uuid.UUID("6f0c1f0e-8a0f-4f0b-9a55-1c8e3d0e6b1d")
_POLICY = "xacml"
_WORKING = ("RUNNING", "INSTANTIATED", "PAUSED", "FAILING")
_INSPECTION_S = 3600.0


class OpencastOptions(Options):
    """`url` is the admin node. The user needs ROLE_CAPTURE_AGENT, and to prove what arrived,
    ROLE_API, ROLE_API_EVENTS_VIEW and read access to the event.

    `send`: the finished lecture, or the single tracks for Opencast's own player, each as one file
    or (`partial`) as it was recorded, with the times at which its pieces begin: Opencast fills the
    gaps. `acl`: who may see it by its visibility, by roles of your own, or as the series says.
    `agent` names this room's capture agent, whose state and recordings are then kept up to date.
    A lost answer to ingest is waited for `settle_minutes` before it is ingested again.
    """

    url: Url
    user: str
    secret: SecretRef
    login: Literal["basic", "digest"] = "basic"
    workflow: str = "schedule-and-upload"
    parameters: dict[str, str] = Field(default_factory=dict)
    series: str = ""
    create_series: bool = False
    send: Literal["lecture", "tracks", "partial"] = "lecture"
    acl: dict[str, list[str]] | Literal["visibility", "none"] = "visibility"
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
        if 0 <= time.time() - notes.get("ingesting", 0) < self.options.settle_minutes * 60:
            raise TargetError(ErrorKind.WAIT, "Opencast may still be looking through the files.")
        ingest = await service(self.web, self.options.url, _INGEST)
        series = await self._series(shipment.metadata)
        await self._tell(event, "uploading")
        stamps = {product.name: product.stamp for product in shipment.products}
        if notes.get("stamps") != stamps or "ingesting" in notes:
            answer = await self.web.ask("PUT", f"{ingest}/createMediaPackageWithID/{event}")
            form = {
                "mediaPackage": answer.text,
                "dublinCore": dublin_core(shipment.metadata, event, series),
                "flavor": "dublincore/episode",
            }
            answer = await self.web.ask("POST", f"{ingest}/addDCCatalog", data=form)
            notes.pop("ingesting", None)
            notes["stamps"], notes["package"], notes["added"] = stamps, answer.text, []
            await shipment.save()
        if self.options.acl != "none" and _POLICY not in notes["added"]:
            await self._protect(shipment, ingest, event)
        for product, flavor, tags, start in self._tracks(shipment):
            if product.name not in notes["added"]:
                await self._add(shipment, ingest, product, flavor, tags, start)
            shipment.at(product, product.size)
        notes["ingesting"] = time.time()
        await shipment.save()
        workflow, parameters = self._workflow(shipment)
        form = {
            "mediaPackage": notes["package"],
            "workflowDefinitionId": workflow,
            "workflowInstanceId": event,
            **parameters,
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
        held = archived(answer) if answer.status_code == 200 else {}
        files = []
        for product, flavor, tags, _ in self._tracks(shipment):
            told_of = held.get((flavor, tags), {})
            checksum = f"md5:{await shipment.digest(product, 'md5')}"
            if checksum not in told_of:
                raise TargetError(
                    ErrorKind.ABSENT,
                    f"{product.name} is not in Opencast's archive as it was sent.",
                    f"The workflow {self.options.workflow} must archive the source tracks.",
                )
            shipment.at(product, product.size)
            files.append(
                ArrivedFile(
                    name=product.name,
                    size=product.size,
                    digest=checksum,
                    duration_s=told_of[checksum],
                )
            )
        self._nothing_older(shipment, files, {one for told_of in held.values() for one in told_of})
        place = f"{self.options.url}/admin-ui/index.html#/events/events?search={event}"
        return Receipt(target=self.id, how="hash", files=files, place=place, reference=event)

    async def reword(self, shipment: Shipment) -> None:
        """By the external API; who may see it changes at once, words after republishing."""
        event, about = self._event(shipment), shipment.metadata
        url = f"{self.options.url}/api/events/{event}"
        words = {"title": about.title, "description": about.text(), "license": about.licence or "",
                 "language": about.language or ""}  # fmt: skip
        told = json.dumps([{"id": key, "value": value} for key, value in words.items()])
        await self.web.ask(
            "PUT",
            f"{url}/metadata",
            params={"type": "dublincore/episode"},
            data={"metadata": told},
            ok=(200, 204),
        )
        if self.options.acl != "none":
            given = self.options.acl if isinstance(self.options.acl, dict) else {}
            permits = [
                {"role": role, "action": action, "allow": True}
                for role, actions in roles(about, given).items()
                for action in actions
            ]
            await self.web.ask(
                "PUT", f"{url}/acl", data={"acl": json.dumps(permits)}, ok=(200, 204)
            )

    async def withdraw(self, shipment: Shipment) -> None:
        event = self._event(shipment)
        await self.web.ask(
            "DELETE", f"{self.options.url}/api/events/{event}", ok=(200, 202, 204, 404)
        )

    def _nothing_older(
        self, shipment: Shipment, files: list[ArrivedFile], archive: set[str]
    ) -> None:
        """Raise TargetError while Opencast keeps what it was sent earlier and should not have.

        Ingesting anew replaces an event's media, but not where it was scheduled in Opencast.
        """
        notes, now = shipment.notes, {file.digest for file in files}
        if set(notes.get("digests", ())) & archive - now:
            stamps = {product.name: product.stamp for product in shipment.products}
            again = notes.get("stamps") != stamps
            raise TargetError(
                ErrorKind.ABSENT if again else ErrorKind.BLOCKED,
                "Opencast still has files of this event that were replaced.",
                "Delete the older tracks in Opencast's asset list of this event, then retry.",
            )
        notes["digests"] = sorted(filter(None, now))

    # -- the steps ----------------------------------------------------------------------------

    async def _protect(self, shipment: Shipment, ingest: str, event: str) -> None:
        """The event's own access policy, as an attachment of the media package."""
        given = self.options.acl if isinstance(self.options.acl, dict) else {}
        told = policy(event, roles(shipment.metadata, given))
        # httpx writes the fields before the file, in their order.
        answer = await self.web.ask(
            "POST",
            f"{ingest}/addAttachment",
            data={
                "flavor": "security/xacml+episode",
                "mediaPackage": shipment.notes["package"],
            },
            files={"BODY": ("xacml.xml", told.encode(), "text/xml")},
        )
        shipment.notes["package"] = answer.text
        shipment.notes["added"].append(_POLICY)
        await shipment.save()

    def _workflow(self, shipment: Shipment) -> tuple[str, dict[str, str]]:
        """The workflow and its parameters: as the event was scheduled, else as configured."""
        _, raw = read_manifest(shipment.folder)
        scheduled = (raw.get("timetable") or {}).get("properties") or {}
        prefix = "org.opencastproject.workflow.config."
        told = {k.removeprefix(prefix): v for k, v in scheduled.items() if k.startswith(prefix)}
        workflow = scheduled.get("org.opencastproject.workflow.definition")
        return workflow or self.options.workflow, {**told, **self.options.parameters}

    async def _add(
        self,
        shipment: Shipment,
        ingest: str,
        product: Product,
        flavor: str,
        tags: str,
        start: int | None,
    ) -> None:
        fields = [("flavor", flavor)]
        if start is not None:
            fields.append(("startTime", str(start)))
        if tags:
            fields.append(("tags", tags))
        fields.append(("mediaPackage", shipment.notes["package"]))
        form = multipart.body(
            shipment, fields, "BODY", product, filename=product.name.replace("/", "-")
        )
        answer = await self.web.ask(
            "POST",
            f"{ingest}/{'addTrack' if start is None else 'addPartialTrack'}",
            content=form.content,
            headers=form.headers,
            timeout=_INSPECTION_S,
        )
        shipment.notes["package"] = answer.text
        shipment.notes["added"].append(product.name)
        await shipment.save()

    def _tracks(self, shipment: Shipment) -> list[tuple[Product, str, str, int | None]]:
        """What goes up: product, Opencast's flavor, tags, and when a partial track begins (ms)."""
        tracks = shipment.of(Kind.TRACK) if self.options.send != "lecture" else []
        chosen: list[tuple[Product, str, str, int | None]] = []
        seen: dict[str, int] = {}
        pieces = partial.pieces(shipment.folder) if self.options.send == "partial" else {}
        for product in tracks:
            kind = "presentation" if product.role == "slides" else "presenter"
            number = seen[kind] = seen.get(kind, -1) + 1
            flavor = f"{kind}/source{f'-{number}' if number else ''}"
            parts = pieces.get(product.source or "", [])
            chosen += [(piece, f"{flavor}+partial", "", start) for piece, start in parts]
            if not parts:
                chosen.append((product, flavor, "", None))
        if not chosen:
            chosen = [(shipment.lecture, "presenter/source", "", None)]
        return chosen + [
            (product, "captions/source", f"lang:{product.language}", None)
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
            told = catalog({"identifier": series, "title": title})
            await self.web.ask(
                "POST", f"{self.options.url}/series/", data={"series": told}, ok=(200, 201, 204)
            )
        return series

    async def _tell(self, event: str, state: str) -> None:
        """The recording's state, as a capture agent tells it; unknown recordings are no error."""
        if self.options.agent:
            agent = CaptureAgent(self.web, self.options.url, self.options.agent)
            await agent.tell_recording(event, state)

    def _event(self, shipment: Shipment) -> str:
        """The scheduled event, or an identifier that is always the same for this recording."""
        about = shipment.metadata
        return about.event or str(uuid.uuid5(_EVENTS, about.recording))

"""This room as Opencast's capture agent: its state, its recordings', and its calendar.

Source: CaptureAgentStateRestService and SchedulerRestService. An agent that is silent for two hours
counts as offline, so its state is told again and again; a recording's state when it changes. The
calendar is asked with the ETag of the last answer. No class ever waits for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from publishing import targets
from publishing.errors import ErrorKind, TargetError
from publishing.http import Web
from publishing.metadata import read_manifest
from publishing.settings import TargetConfig
from recorder.recording import MANIFEST, Life

_log = logging.getLogger(__name__)
STATES = ("idle", "shutting_down", "capturing", "uploading", "error", "unknown", "offline")
_NEWEST = 5
_LOOK_S = 5.0
_AGAIN_S = 60.0


async def service(web: Web, url: str, kind: str) -> str:
    """Where a service is now: an object when there is one, a list of several, or "" for none.

    Raises TargetError (retry) when none is online.
    """
    answer = await web.ask("GET", f"{url}/services/available.json", params={"serviceType": kind})
    found = (answer.json().get("services") or {}).get("service", "")
    for one in found if isinstance(found, list) else [found]:
        if one and one["active"] and one["online"] and not one["maintenance"]:
            return f"{one['host'].rstrip('/')}{one['path']}"
    raise TargetError(
        ErrorKind.RETRY,
        f"Opencast has no {kind.rpartition('.')[2]} service that is online.",
        "Check the services in Opencast's admin interface.",
    )


class CaptureAgent:
    """The calls that an agent makes. `web` carries the credentials."""

    kind: ClassVar[str] = "org.opencastproject.capture.admin"

    def __init__(self, web: Web, url: str, name: str) -> None:
        self._web = web
        self._url = url
        self._name = name
        self._etag = ""
        self._calendar = ""

    async def tell(self, state: str, inputs: Sequence[str] = ()) -> None:
        """The agent's state, and what it records. Raises TargetError."""
        base = f"{await service(self._web, self._url, self.kind)}/agents/{quote(self._name)}"
        await self._web.ask("POST", base, data={"state": state})
        if inputs:
            xml = (
                '<?xml version="1.0" encoding="UTF-8" standalone="no"?><!DOCTYPE properties SYSTEM'
                ' "http://java.sun.com/dtd/properties.dtd"><properties version="1.0">'
                f'<entry key="capture.device.names">{",".join(inputs)}</entry></properties>'
            )
            await self._web.ask("POST", f"{base}/configuration", data={"configuration": xml})

    async def tell_recording(self, event: str, state: str) -> None:
        """A recording's state; one that Opencast does not know is no error."""
        base = await service(self._web, self._url, self.kind)
        url = f"{base}/recordings/{quote(event)}"
        await self._web.ask("POST", url, data={"state": state}, ok=(200, 404))

    async def calendar(self) -> str:
        """What is scheduled here (iCal); asked with the last answer's ETag."""
        headers = {"if-none-match": self._etag} if self._etag else {}
        base = await service(self._web, self._url, "org.opencastproject.scheduler")
        answer = await self._web.ask(
            "GET",
            f"{base}/calendars",
            params={"agentid": self._name},
            headers=headers,
            ok=(200, 304),
        )
        if answer.status_code == 200:
            self._etag, self._calendar = answer.headers.get("etag", ""), answer.text
        return self._calendar


class AgentTeller:
    """Tells every Opencast target with an `agent` what the room does."""

    def __init__(self, root: Path, configs: Sequence[TargetConfig]) -> None:
        self._root = root
        self._configs = [c for c in configs if c.target == "opencast" and c.own.get("agent")]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to tell."""
        self._tasks = [
            asyncio.create_task(self._run(config), name=f"agent {config.id}")
            for config in self._configs
        ]

    async def stop(self) -> None:
        """End; Opencast notices by itself."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, config: TargetConfig) -> None:
        told: dict[str, str] = {}
        before, told_at = "", 0.0
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TargetError, OSError, KeyError, ValueError):
                recordings, inputs = await asyncio.to_thread(self.look)
                capturing = "capturing" in recordings.values()
                state = "capturing" if capturing else "idle"
                news = {event: s for event, s in recordings.items() if told.get(event) != s}
                if news or state != before or loop.time() - told_at >= _AGAIN_S:
                    await self.tell(config, state, inputs, news)
                    before, told_at = state, loop.time()
                    told |= news
            await asyncio.sleep(_LOOK_S)

    def look(self) -> tuple[dict[str, str], list[str]]:
        """State of the scheduled events that were recorded lately, and this room's inputs."""
        found: dict[str, str] = {}
        inputs: list[str] = []
        newest = sorted(self._root.glob(f"*/{MANIFEST}"), reverse=True)[:_NEWEST]
        for path in reversed(newest):
            with suppress(TargetError):
                manifest, raw = read_manifest(path.parent)
                inputs = [source.id for source in manifest.sources]
                if event := raw.get("event"):
                    on = manifest.life is Life.RECORDING
                    broken = manifest.life is Life.FAILED and manifest.duration_s is None
                    state = "capturing" if on else "capture_finished"
                    found[str(event)] = "capture_error" if broken else state
                elif manifest.life is Life.RECORDING:
                    found[f"recording {manifest.id}"] = "capturing"
        return found, inputs

    async def tell(
        self, config: TargetConfig, state: str, inputs: Sequence[str], news: dict[str, str]
    ) -> None:
        """Tell it now. Raises TargetError."""
        target: Any = targets.create(config)
        async with target:
            agent = CaptureAgent(target.web, target.options.url, target.options.agent)
            await agent.tell(state, inputs)
            for event, told in news.items():
                if " " not in event:  # not one of Opencast's
                    await agent.tell_recording(event, told)


__all__ = ["STATES", "AgentTeller", "CaptureAgent", "service"]

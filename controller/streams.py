"""Where cameras stream: `onvif://camera` in a source means what the camera itself says.

The address that a camera gave last is kept, so that a class that starts while the camera boots is
recorded from there; without any, the source's own `?fallback=` is taken.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import structlog

from devices.model import DeviceState
from recorder.recording import SourceSpec

_log = structlog.get_logger(__name__)

SCHEME = "onvif://"
PATIENCE_S = 2.0
_LOOK_S = 0.05


class CameraPort(Protocol):
    """What is needed of the device manager."""

    def states(self) -> list[DeviceState]: ...


def camera_of(url: str) -> str | None:
    """The device that a source address names, None when it is an ordinary address."""
    return urlsplit(url).netloc if url.startswith(SCHEME) else None


class Streams:
    """Turns `onvif://` sources into what a recorder can open; `kept` is a file."""

    def __init__(self, devices: CameraPort, kept: Path) -> None:
        self._devices = devices
        self._kept = kept

    async def resolved(self, sources: Sequence[SourceSpec]) -> list[SourceSpec]:
        """The sources with addresses. Waits for a camera that nothing is known of, but at most
        two seconds: a class starts at once."""
        wanted = {camera for s in sources if (camera := camera_of(s.url)) is not None}
        if not wanted:
            return list(sources)
        known = await asyncio.to_thread(self._read)
        known |= self._said()
        unknown = {
            camera_of(s.url) for s in sources if camera_of(s.url) and not _fallback(s.url)
        } - known.keys()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while unknown - known.keys():
                    await asyncio.sleep(_LOOK_S)
                    known |= self._said()
        await asyncio.to_thread(self._write, known)
        return [self._source(source, known) for source in sources]

    def _said(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for state in self._devices.states():
            main, sub = (state.values.get(key) for key in ("stream_uri", "sub_stream_uri"))
            if isinstance(main, str) and "://" in main:
                found[state.id] = {"main": main}
                if isinstance(sub, str) and "://" in sub and sub != main:
                    found[state.id]["sub"] = sub
        return found

    def _source(self, source: SourceSpec, known: dict[str, dict[str, str]]) -> SourceSpec:
        camera = camera_of(source.url)
        if camera is None:
            return source
        addresses = known.get(camera)
        if addresses is None:
            fallback = _fallback(source.url)
            _log.warning("camera_gave_no_address", camera=camera, fallback=bool(fallback))
            return source.model_copy(update={"url": fallback}) if fallback else source
        own = {"url": addresses["main"], "sub": source.sub or addresses.get("sub")}
        return source.model_copy(update=own)

    def _read(self) -> dict[str, dict[str, str]]:
        with suppress(OSError, ValueError):
            data = json.loads(self._kept.read_text("utf-8"))
            if isinstance(data, dict):
                return {
                    camera: addresses
                    for camera, addresses in data.items()
                    if isinstance(addresses, dict) and isinstance(addresses.get("main"), str)
                }
        return {}

    def _write(self, known: dict[str, dict[str, str]]) -> None:
        with suppress(OSError):
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            new = self._kept.with_suffix(".new")
            new.write_text(json.dumps(known), "utf-8")
            new.replace(self._kept)


def _fallback(url: str) -> str | None:
    found = parse_qs(urlsplit(url).query).get("fallback")
    return found[0] if found else None

"""A recording's tracks as they were recorded: files, and when in the class each of them begins."""

from __future__ import annotations

import re
from pathlib import Path

from publishing.metadata import read_manifest
from publishing.products import Kind, Product
from recorder import fmp4
from recorder.recording import TRACKS, Recording
from recorder.spans import cuts

_NAME = re.compile(r"\d{6}\.mp4")


def pieces(folder: Path) -> dict[str, list[tuple[Product, int]]]:
    """Source → its files with the class milliseconds at which they begin.

    Nothing when something was cut out of the lecture: the files as recorded still hold it. A track
    that MP4 could not hold is left out.
    """
    if cuts(Recording.open(folder).markers()):
        return {}
    manifest, _ = read_manifest(folder)
    found: dict[str, list[tuple[Product, int]]] = {}
    for source in manifest.sources:
        for path in sorted((folder / TRACKS / source.id).glob("*.mp4")):
            start = fmp4.scan(path).start if _NAME.fullmatch(path.name) else None
            if start is None:
                continue
            stat = path.stat()
            piece = Product(
                f"{source.id}/{path.name}",
                Kind.TRACK,
                path,
                stat.st_size,
                stat.st_mtime_ns,
                "video/mp4",
                source=source.id,
                role=source.role.value,
            )
            found.setdefault(source.id, []).append((piece, round(start * 1000)))
    return found

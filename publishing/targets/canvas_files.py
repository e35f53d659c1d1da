"""What a lecture's files are called in Canvas, and captions in the form that its player takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from publishing.products import Product
from publishing.shipment import Shipment
from publishing.targets.store import safe_name
from recorder.recording import LECTURE


def name_of(shipment: Shipment, product: Product) -> str:
    """Words for people, and an end for each recording and product: so is the file found again."""
    about = shipment.metadata
    return safe_name(f"{about.date} {about.title}") + _end(shipment, product.name)


def names_one_of(file: dict[str, Any], shipment: Shipment, products: Iterable[str]) -> bool:
    """Whether a file, as Canvas tells it, is one of these products of this recording."""
    return any(str(file["display_name"]).endswith(_end(shipment, name)) for name in products)


def newest(
    files: list[dict[str, Any]], shipment: Shipment, product: Product
) -> dict[str, Any] | None:
    """The file of a product; `files` has the newest first."""
    return next((one for one in files if names_one_of(one, shipment, [product.name])), None)


def srt(vtt: str) -> str:
    """WebVTT as SubRip: numbered cues, hours always, a comma before the milliseconds."""
    cues: list[str] = []
    for block in vtt.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line]
        at = next((n for n, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            continue
        begin, _, end = lines[at].partition(" --> ")
        times = [_srt_time(begin), _srt_time(end.split(" ")[0])]
        cues.append("\n".join((str(len(cues) + 1), " --> ".join(times), *lines[at + 1 :])))
    return "\n\n".join(cues) + "\n"


def _srt_time(text: str) -> str:
    return ("00:" * (text.count(":") == 1) + text.strip()).replace(".", ",")


def _end(shipment: Shipment, name: str) -> str:
    stem, _, suffix = name.partition(".")
    kind = "" if name == LECTURE else f" {stem}"
    return f" {safe_name(shipment.metadata.recording)}{kind}.{suffix}"

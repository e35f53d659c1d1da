"""Captions where a platform keeps one track for each language of a video.

Such platforms tell languages, never content: that a track is there says nothing about a correction.
So it is noted which file went where, and which languages are ours to take away again.
"""

from __future__ import annotations

from publishing.products import Kind, Product
from publishing.shipment import Shipment


def there(shipment: Shipment, captions: Product, where: object) -> bool:
    """Whether this very file was given to the video `where`."""
    return bool(shipment.note(captions).get("there") == where)


async def given(shipment: Shipment, captions: Product, where: object) -> None:
    """This file was just given to the video `where`; on disk when this returns."""
    shipment.note(captions)["there"] = where
    shipment.at(captions, captions.size)
    ours: list[str] = shipment.notes.setdefault("languages", [])
    if captions.language and captions.language not in ours:
        ours.append(captions.language)
    await shipment.save()


def gone(shipment: Shipment) -> list[str]:
    """Languages that were given once, and whose captions the recording no longer has."""
    now = {product.language for product in shipment.of(Kind.CAPTIONS)}
    return sorted(set(shipment.notes.get("languages", ())) - now)


def taken_away(shipment: Shipment, language: str) -> None:
    """The platform no longer has the captions in this language."""
    shipment.notes["languages"].remove(language)

"""The finished files of a recording, as something that can be delivered.

Which files there are and what each is for is known to `recorder.products`; here stands what
targets take.
"""

from __future__ import annotations

from pathlib import Path

from recorder.products import Kind, Product, known, media_type, products
from recorder.recording import PRODUCTS, Manifest

__all__ = ["MEDIA", "PLATFORM", "STORE", "Kind", "Product", "collect", "remembered"]

STORE = frozenset(Kind) - {Kind.TRACK, Kind.FRAMED, Kind.AUDIO, Kind.DRAFT}
PLATFORM = frozenset({Kind.LECTURE, Kind.CAPTIONS, Kind.CHAPTERS, Kind.POSTER})
MEDIA = frozenset({Kind.LECTURE, Kind.SMALL, Kind.TRACK, Kind.FRAMED, Kind.AUDIO})


def collect(folder: Path, manifest: Manifest, kinds: frozenset[Kind]) -> list[Product]:
    """The products of these kinds in a recording folder; the lecture first, then by kind, name."""
    return [product for product in products(folder, manifest) if product.kind in kinds]


def remembered(folder: Path, manifest: Manifest, stamps: dict[str, str]) -> list[Product]:
    """The products that a delivery was about, whether their files are still here or not."""
    roles = {source.id: source.role.value for source in manifest.sources}
    found = []
    for name, stamp in stamps.items():
        if (what := known(name, manifest)) is None:
            continue
        size, _, mtime = stamp.partition("-")
        found.append(
            Product(
                name,
                what.kind,
                folder / PRODUCTS / name,
                int(size),
                int(mtime),
                media_type(name),
                what.language,
                what.source,
                roles.get(what.source) if what.source else None,
            )
        )
    return found

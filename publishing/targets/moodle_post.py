"""The forum post that stands for a lecture in Moodle: a player, and what it is about."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from urllib.parse import quote

from publishing.metadata import Metadata, clock
from publishing.products import Kind, Product
from publishing.shipment import Shipment


def message(shipment: Shipment, names: Mapping[str, str]) -> str:
    """The post: Moodle turns `<video>` into its player, and `@@PLUGINFILE@@` into addresses.

    Its player has a menu of chapters for a track of that kind, which Moodle's filter lets through.
    """

    def source(product: Product) -> str:
        return f"@@PLUGINFILE@@/{quote(names.get(product.name, product.name))}"

    posters = shipment.of(Kind.POSTER)
    poster = f' poster="{source(posters[0])}"' if posters else ""
    tracks = "".join(
        f'<track kind="captions" src="{source(one)}" srclang="{html.escape(one.language or "")}"'
        f' label="{html.escape(one.language or "")}">'
        for one in shipment.of(Kind.CAPTIONS)
    )
    tracks += "".join(
        f'<track kind="chapters" src="{source(one)}">' for one in shipment.of(Kind.CHAPTERS)
    )
    lecture = shipment.lecture
    return (
        f'<p><video controls="true"{poster}><source src="{source(lecture)}" type="video/mp4">'
        f"{tracks}</video></p>{about(shipment.metadata)}"
    )


def about(metadata: Metadata) -> str:
    lines = [
        metadata.description,
        " · ".join(
            part
            for part in (metadata.lecturer, metadata.date, metadata.room, metadata.licence)
            if part
        ),
    ]
    told = "".join(f"<p>{html.escape(line)}</p>" for line in lines if line)
    if metadata.chapters:
        items = "".join(f"<li>{clock(t)} {html.escape(name)}</li>" for t, name in metadata.chapters)
        told += f"<ul>{items}</ul>"
    return f"{told}<p><small>{html.escape(metadata.mark)}</small></p>"


def is_about(metadata: Metadata, text: str) -> bool:
    """Whether this text, with or without markup, stands for this very recording."""
    return re.search(rf"{re.escape(metadata.mark)}(?!\w)", html.unescape(text)) is not None

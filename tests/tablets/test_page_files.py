"""What the tablet page and the board are made of: how much is loaded, and the texts."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from classroom_pages import DIST, needs_pages

from dashboard import pages

BUDGET = 60 * 1024

pytestmark = needs_pages


def _parts(page: str) -> list[Path]:
    """Everything that a page loads in one language: HTML, scripts, styles."""
    names = set(re.findall(r"/assets/([\w.-]+)", (DIST / page).read_text("utf-8")))
    found: dict[str, Path] = {}
    while names:
        name = names.pop()
        if name in found or not (DIST / "assets" / name).is_file():
            continue
        found[name] = DIST / "assets" / name
        if name.endswith(".js"):
            text = found[name].read_text("utf-8")
            inside = set(re.findall(r"([\w-]+-[\w-]{8}\.(?:js|css))", text))
            names |= {one for one in inside if not re.match(r"(ar|es|fr|ru|zh)-", one)}
    largest = max((DIST / "assets").glob("ru-*.js"), key=lambda file: file.stat().st_size)
    return [DIST / page, *found.values(), largest, DIST / "icon.svg"]


@pytest.mark.parametrize("page", ["tablet.html", "board.html"])
def test_the_page_fits_its_budget(page: str) -> None:
    extra = [DIST / "tablet-sw.js", DIST / "tablet.webmanifest"]
    sizes = {
        part.name: len(gzip.compress(part.read_bytes(), 9, mtime=0))
        for part in [*_parts(page), *extra]
    }
    assert sum(sizes.values()) <= BUDGET, sizes


def test_every_text_is_there_in_every_language() -> None:
    texts = Path(pages.__file__).parent / "web" / "src" / "tablet" / "texts"
    english = json.loads((texts / "en.json").read_text("utf-8"))
    files = {file.stem for file in texts.glob("*.json")}
    assert files == {"ar", "en", "es", "fr", "ru", "zh"}
    for language in files:
        other = json.loads((texts / f"{language}.json").read_text("utf-8"))
        assert other.keys() == english.keys(), language
        for key, text in english.items():
            assert _places(other[key]) == _places(text), f"{language} {key}"


def _places(text: Any) -> set[str]:
    forms = text.values() if isinstance(text, dict) else [text]
    return {name for form in forms for name in re.findall(r"\{\w+\}", form)} - {"{n}"}

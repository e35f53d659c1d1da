"""What the pages are made of: texts complete in every language, pinned packages, small scripts."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from controller.state import Event

WEB = Path(__file__).parents[2] / "dashboard" / "web"
LOCALES = WEB / "src" / "i18n" / "locales"
LANGUAGES = ("ar", "en", "es", "fr", "ru", "zh")
# The plural forms of whole numbers up to a few hundred (Unicode CLDR 48).
FORMS = {
    "ar": {"zero", "one", "two", "few", "many", "other"},
    "en": {"one", "other"},
    "es": {"one", "other"},
    "fr": {"one", "other"},
    "ru": {"one", "few", "many", "other"},
    "zh": {"other"},
}
PANEL_BUDGET = 100_000
LIGHT = (
    "panel.html",
    "recordings.html",
    "review.html",
    "tablet.html",
    "board.html",
    "console.html",
)


def _catalogue(language: str) -> dict[str, str | dict[str, str]]:
    found = json.loads((LOCALES / f"{language}.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def _places(text: str | dict[str, str]) -> set[str]:
    whole = text if isinstance(text, str) else text["other"]
    return set(re.findall(r"\{\w+\}", whole))


def _sources() -> str:
    files = [*(WEB / "src").rglob("*.ts"), *(WEB / "src").rglob("*.tsx")]
    return "\n".join(file.read_text("utf-8") for file in files)


def test_every_language_is_there() -> None:
    assert tuple(sorted(file.stem for file in LOCALES.glob("*.json"))) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_missing_and_none_is_left_over(language: str) -> None:
    english, other = _catalogue("en"), _catalogue(language)
    assert list(other) == list(english)
    for key, text in english.items():
        assert _places(other[key]) == _places(text), f"{language} {key}"
        if isinstance(text, dict):
            forms = other[key]
            assert isinstance(forms, dict)
            assert set(forms) == FORMS[language], f"{language} {key}"
            assert all(forms.values())
        else:
            assert other[key], f"{language} {key} is empty"


@pytest.mark.parametrize(
    "folder", sorted((WEB / "src").glob("*/texts")), ids=lambda p: p.parent.name
)
def test_each_pages_own_texts_are_complete(folder: Path) -> None:
    assert tuple(sorted(file.stem for file in folder.glob("*.json"))) == LANGUAGES
    catalogues = {
        language: json.loads((folder / f"{language}.json").read_text("utf-8"))
        for language in LANGUAGES
    }
    for language, texts in catalogues.items():
        assert set(texts) == set(catalogues["en"]), f"{folder.parent.name} {language}"
        for key, text in texts.items():
            place = f"{folder.parent.name} {language} {key}"
            assert _places(text) == _places(catalogues["en"][key]), place
            if isinstance(text, dict):
                assert set(text) == FORMS[language], place
                assert all(text.values()), place
            else:
                assert text, place


def test_the_event_streams_types_name_every_event() -> None:
    source = (WEB / "src" / "api" / "events.ts").read_text("utf-8")
    kinds = set(re.findall(r'\{ kind: "(\w+)"', source))
    assert kinds == {"snapshot", "tick", *get_args(Event.model_fields["kind"].annotation)}


def test_every_text_is_used() -> None:
    source = _sources()
    # A key is written out, or begins like a key that is put together: t(`state.${word}`).
    begun = set(re.findall(r"`([a-z][\w.]*\.)\$\{", source))
    unused = [
        key
        for key in _catalogue("en")
        if f'"{key}"' not in source and not any(key.startswith(start) for start in begun)
    ]
    assert not unused


def test_no_text_is_written_into_the_pages() -> None:
    """Text between tags is a name from the room, a number or a t(…), never words."""
    written = []
    for file in (WEB / "src").rglob("*.tsx"):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            bare = re.sub(r"\{[^{}]*\}", "", line.strip())
            if re.search(r"(?<!=)>\s*[A-Za-z]{2,}[\w ]*<", bare) or re.search(
                r"(?:aria-label|title|alt|placeholder)=\"[A-Za-z]", line
            ):
                written.append(f"{file.name}:{number}: {line.strip()}")
    assert not written


def test_styles_know_no_left_and_right() -> None:
    """Logical properties only, so that a right-to-left page mirrors by itself."""
    physical = re.compile(
        r"^\s*(?:(?:margin|padding|border)-(?:left|right|top|bottom)|left|right|width|height"
        r"|min-width|max-width|min-height|max-height|float|clear)\s*:"
        r"|text-align:\s*(?:left|right)",
        re.MULTILINE,
    )
    for file in (WEB / "src").rglob("*.css"):
        assert not physical.findall(file.read_text("utf-8")), file.name


def test_packages_are_pinned_and_name_no_host() -> None:
    lock = (WEB / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in lock
    assert "registry" not in lock.lower()
    package = json.loads((WEB / "package.json").read_text("utf-8"))
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
    assert "omit-lockfile-registry-resolved=true" in (WEB / ".npmrc").read_text("utf-8")
    for entry in json.loads(lock)["packages"].values():
        assert not entry.get("hasInstallScript", False) or entry.get("optional", False)


def _scripts(page: str) -> list[Path]:
    """Every script that a page can load: what its HTML names, and what those import."""
    dist = WEB / "dist"
    wanted = set(re.findall(r"/assets/([\w.-]+\.js)", (dist / page).read_text("utf-8")))
    found: dict[str, Path] = {}
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = dist / "assets" / name
        inside = set(re.findall(r"([\w-]+-[\w-]{8}\.js)", found[name].read_text("utf-8")))
        # Each language is fetched alone, when it is chosen.
        wanted |= {one for one in inside if one[:2] not in LANGUAGES or one[2] != "-"}
    return list(found.values())


@pytest.mark.parametrize("page", LIGHT)
def test_a_pages_scripts_stay_small(page: str) -> None:
    if not (WEB / "dist" / page).is_file():
        pytest.skip("the pages are not built: python build_web.py")
    scripts = _scripts(page)
    assert scripts
    sizes = {one.name: len(gzip.compress(one.read_bytes(), 9, mtime=0)) for one in scripts}
    assert sum(sizes.values()) < PANEL_BUDGET, sizes


@pytest.mark.parametrize("page", LIGHT)
def test_pages_ask_no_other_host(page: str) -> None:
    if not (WEB / "dist" / page).is_file():
        pytest.skip("the pages are not built: python build_web.py")
    files = [WEB / "dist" / page, *(WEB / "dist" / "assets").glob("*.css"), *_scripts(page)]
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"}
    names |= {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/1999/xlink"}
    for file in files:
        hosts = set(re.findall(r"https?://[\w./-]+", file.read_text("utf-8")))
        assert hosts <= names, file.name

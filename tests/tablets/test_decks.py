"""Decks from a stick and from the course; presentations; their text in the recording's markers."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from controller.course_files import CourseFiles
from controller.tablets import Tablets
from devices.tablets.decks import DeckError, DeckShelf
from devices.tablets.sticks import Sticks

MOODLE = "https://moodle.example"


@pytest.fixture
def stick(tmp_path: Path, pdf: bytes) -> Path:
    medium = tmp_path / "media" / "ada" / "BLUE"
    (medium / "Week 1" / "deep" / "deeper" / "deepest").mkdir(parents=True)
    (medium / "Waves.pdf").write_bytes(pdf)
    (medium / "Week 1" / "Light.PDF").write_bytes(pdf + b"%")
    (medium / "Week 1" / "deep" / "deeper" / "deepest" / "far.pdf").write_bytes(pdf)
    (medium / "~$lock.pptx").write_bytes(b"x")
    (medium / "notes.txt").write_bytes(b"x")
    (medium / "passwd.pdf").symlink_to("/etc/passwd")
    (medium / "loop").symlink_to(medium)
    (tmp_path / "media" / "ada" / "not mounted").mkdir()
    (tmp_path / "media" / "ada" / "not mounted" / "Hidden.pdf").write_bytes(pdf)
    return medium


def _sticks(stick: Path) -> Sticks:
    return Sticks([stick.parents[1], Path("/no/such")], mounted=lambda path: path == stick)


async def test_a_sticks_decks_are_found_and_nothing_else(stick: Path) -> None:
    found = await _sticks(stick).files()
    assert {(file.name, file.place) for file in found} == {
        ("Waves.pdf", "BLUE"),
        ("Light.PDF", "BLUE / Week 1"),
    }


async def test_a_deck_from_a_stick(people: Any, tablets: Tablets, stick: Path, until: Any) -> None:
    tablets.sticks = _sticks(stick)
    instructor, base = people["instructor"], "/api/v1/tablets/decks"
    [wanted] = [f for f in (await instructor.get(f"{base}/stick")).json() if f["place"] == "BLUE"]
    made = await instructor.post(f"{base}/stick/{wanted['id']}", json={})
    assert made.status_code == 200, made.text
    assert [page["title"] for page in made.json()["pages"]] == ["Page 1", "Page 2", "Page 3"]
    shutil.rmtree(stick)
    gone = await instructor.post(f"{base}/stick/{wanted['id']}", json={})
    assert gone.status_code == 422
    assert "Is the stick still in?" in gone.json()["detail"]
    assert (await people["student"].get(f"{base}/stick")).status_code == 403


async def test_a_file_swapped_for_a_link_is_not_followed(stick: Path) -> None:
    sticks = _sticks(stick)
    [file] = [one for one in await sticks.files() if one.name == "Waves.pdf"]
    _, content = await sticks.open(file.id)
    (stick / "Waves.pdf").unlink()
    (stick / "Waves.pdf").symlink_to("/etc/passwd")
    with pytest.raises(DeckError, match="cannot be read"):
        [chunk async for chunk in content]


# --- the course -----------------------------------------------------------------------------


class Moodle:
    """Strict: answers as Moodle 4.5 does, errors as HTTP 200; a token in an address is refused."""

    def __init__(self, pdf: bytes) -> None:
        self.files = {"/webservice/pluginfile.php/9/mod_resource/content/1/Waves.pdf": pdf}
        self.allowed = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        assert b"t0ken" not in request.url.raw_path
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        if request.url.path == "/webservice/rest/server.php":
            assert dict(request.url.params) == {"moodlewsrestformat": "json"}
            return httpx.Response(200, json=self._call(form))
        if form != {"token": "t0ken"}:
            return httpx.Response(200, json=_refused("invalidtoken"))
        if request.url.path not in self.files:
            return httpx.Response(404, json=_refused("filenotfound"))
        assert not request.url.query
        headers = {"content-type": "application/pdf"}
        return httpx.Response(200, content=self.files[request.url.path], headers=headers)

    def _call(self, form: dict[str, str]) -> Any:
        if form.pop("wstoken") != "t0ken":
            return _refused("invalidtoken")
        match form.pop("wsfunction"):
            case "core_course_get_courses_by_field":
                found = form == {"field": "shortname", "value": "PHY-1"}
                return {"courses": [{"id": 9}] if found else [], "warnings": []}
            case "core_course_get_contents" if self.allowed:
                assert form == {"courseid": "9"}
                return self._contents()
        return _refused("accessexception")

    def _contents(self) -> Any:
        files = f"{MOODLE}/webservice/pluginfile.php/9/mod_resource/content/1"
        evil = "https://evil.example/webservice/pluginfile.php/9/x/Elsewhere.pdf"
        listed = [
            {"type": "file", "filename": "Waves.pdf", "filesize": 9, "fileurl": f"{files}/Waves.pdf?forcedownload=1"},  # noqa: E501
            {"type": "file", "filename": "photo.jpg", "filesize": 9, "fileurl": f"{files}/photo.jpg"},  # noqa: E501
            {"type": "url", "filename": "Link.pdf", "fileurl": "https://elsewhere.example/Link.pdf"},
            {"type": "file", "filename": "Elsewhere.pdf", "filesize": 9, "fileurl": evil},
        ]  # fmt: skip
        label = {"name": "A label without contents", "modname": "label"}
        return [{"name": "Week 1", "modules": [label, {"name": "Slides", "contents": listed}]}]


def _refused(code: str) -> dict[str, str]:
    return {"exception": "moodle_exception", "errorcode": code, "message": code}


@pytest.fixture
def moodle(pdf: bytes) -> Moodle:
    return Moodle(pdf)


def _course(moodle: Moodle, token: str = "t0ken") -> CourseFiles:
    return CourseFiles(f"{MOODLE}/", lambda: token, transport=httpx.MockTransport(moodle))


async def test_a_deck_from_the_course(people: Any, tablets: Tablets, moodle: Moodle) -> None:
    instructor, base = people["instructor"], "/api/v1/tablets/decks/course"
    assert (await instructor.get(base)).json()["code"] == "no_moodle"
    tablets.course_files = _course(moodle)
    assert (await instructor.get(base)).json()["code"] == "no_course"
    tablets.course = "PHY-1"
    listed = (await instructor.get(base)).json()
    assert [(f["name"], f["place"]) for f in listed] == [
        ("Waves.pdf", "Week 1 / Slides"),
        ("Elsewhere.pdf", "Week 1 / Slides"),
    ]
    made = await instructor.post(f"{base}/{listed[0]['id']}", json={})
    assert made.status_code == 200, made.text
    assert made.json()["title"] == "Waves"
    elsewhere = await instructor.post(f"{base}/{listed[1]['id']}", json={})
    assert "does not lie in Moodle" in elsewhere.json()["detail"]


async def test_what_moodle_refuses_is_told(moodle: Moodle) -> None:
    with pytest.raises(DeckError, match="Ask the technician for a new one"):
        await _course(moodle, "old").files("PHY-1")
    with pytest.raises(DeckError, match="no course 'X'"):
        await _course(moodle).files("X")
    moodle.allowed = False
    with pytest.raises(DeckError, match="core_course_get_contents"):
        await _course(moodle).files("PHY-1")
    moodle.allowed = True
    moodle.files.clear()
    [waves, _] = await _course(moodle).files("PHY-1")
    _, content = await _course(moodle).open("PHY-1", waves.id)
    with pytest.raises(DeckError, match="filenotfound"):
        [chunk async for chunk in content]


# --- presentations, markers -------------------------------------------------------------------


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


@pytest.mark.skipif(
    not shutil.which("soffice"), reason="LibreOffice (libreoffice-impress) is not installed"
)
async def test_a_presentation_becomes_pages(tmp_path: Path) -> None:
    deck = await DeckShelf(tmp_path).add("Optics.odp", _once(_odp(tmp_path, "Light", "Sound")))
    assert [page.title for page in deck.pages] == ["Light", "Sound"]
    assert deck.title == "Optics"


async def test_a_broken_presentation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeckError, match="PDF"):
        await DeckShelf(tmp_path).add("Broken.pptx", _once(b"PK\x03\x04 nothing"))


async def test_page_turns_carry_the_pages_text(tmp_path: Path, pdf: bytes, until: Any) -> None:
    marked: list[tuple[str, dict[str, Any]]] = []

    async def mark(kind: str, data: dict[str, Any]) -> None:
        marked.append((kind, data))

    tablets = Tablets("room1", tmp_path, mark=mark)
    await tablets.start()
    lesson = await tablets.room.open("c1")
    deck = await tablets.decks.add("Waves.pdf", _once(pdf))
    await lesson.put("deck", deck.entry("/pages"))
    await lesson.put("page", {"page": deck.pages[2].id, "show_at": 0})
    await until(lambda: len(marked) == 2)
    await tablets.stop()
    assert sorted((kind, data["title"], data["text"]) for kind, data in marked) == [
        ("page", "Page 1", "Page 1"),
        ("page", "Page 3", "Page 3"),
    ]


def _odp(folder: Path, *titles: str) -> bytes:
    """A presentation in the open document format, with a title on each page."""
    names = {
        "office": "office", "draw": "drawing", "text": "text", "presentation": "presentation",
    }  # fmt: skip
    spaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{long}:1.0"'
        for short, long in names.items()
    )
    spaces += ' xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
    frames = "".join(
        f'<draw:page draw:name="{title}"><draw:frame svg:width="20cm" svg:height="3cm" svg:x="2cm"'
        f' svg:y="2cm"><draw:text-box><text:p>{title}</text:p></draw:text-box></draw:frame>'
        "</draw:page>"
        for title in titles
    )
    body = f"<office:body><office:presentation>{frames}</office:presentation></office:body>"
    kind = "application/vnd.oasis.opendocument.presentation"
    file = folder / "made.odp"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("mimetype", kind)
        made.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content {spaces} office:version="1.3">'
            f"{body}</office:document-content>",
        )
        made.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest xmlns:manifest='
            '"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.3">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            "</manifest:manifest>",
        )
    return file.read_bytes()

"""Decks: a PDF or PPTX that the lecturer brings, as page images and their text.

A deck is a folder named by the file's hash: `deck.json` and one WebP per page. Rendering happens
in a child with limits on memory and time (deck_pages.py), because a file from a stick may hold
anything, and because the controller loads no codec.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

MAX_BYTES = 200 * 1024 * 1024
RENDER_S = 300.0
CONVERT_S = 180.0
OFFICE = {".pptx", ".ppt", ".odp", ".docx", ".odt"}
_PAGE = re.compile(r"^([0-9a-f]{16})-(\d{1,4})$")


class DeckError(Exception):
    """The file cannot be shown as pages; says why and what to do."""


class DeckPage(BaseModel):
    """One page; sizes in pixels, `text` as the file holds it."""

    id: str
    width: int
    height: int
    title: str = ""
    text: str = ""


class Deck(BaseModel):
    """One deck on the shelf."""

    id: str
    title: str
    pages: list[DeckPage]

    def entry(self, images: str) -> dict[str, Any]:
        """The body of the log's `deck` entry; `images` is the address of the page images."""
        pages = [
            {
                "id": page.id,
                "kind": "image",
                "title": page.title,
                "url": None,
                "image": f"{images}/{page.id}.webp",
                "width": page.width,
                "height": page.height,
            }
            for page in self.pages
        ]
        return {"deck": {"id": self.id, "title": self.title}, "pages": pages}


class DeckShelf:
    """The decks of a room, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = asyncio.Lock()

    def decks(self) -> list[Deck]:
        """Every deck, the newest first."""
        files = sorted(
            self._folder.glob("*/deck.json"), key=lambda file: file.stat().st_mtime, reverse=True
        )
        found = []
        for file in files:
            with suppress(OSError, ValueError):
                found.append(Deck.model_validate_json(file.read_text("utf-8")))
        return found

    def deck(self, deck: str) -> Deck:
        """Returns one deck. Raises DeckError."""
        for known in self.decks():
            if known.id == deck:
                return known
        raise DeckError("There is no such deck. Bring the file again.")

    def image(self, page: str) -> Path | None:
        """The file with a page's picture."""
        match = _PAGE.match(page)
        if match is None:
            return None
        file = self._folder / match[1] / f"{page}.webp"
        return file if file.is_file() else None

    def text(self, page: str) -> str:
        """A page's text as its file holds it; "" for a page of no deck."""
        match = _PAGE.match(page)
        if match is None or not (self._folder / match[1] / "deck.json").is_file():
            return ""
        return next((p.text for p in self.deck(match[1]).pages if p.id == page), "")

    async def add(self, name: str, content: AsyncIterator[bytes]) -> Deck:
        """Takes a file as it arrives and makes its pages. Raises DeckError."""
        suffix = Path(name).suffix.lower()
        if suffix != ".pdf" and suffix not in OFFICE:
            raise DeckError("Only PDF and presentations are taken. Export the file as PDF.")
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
            source = Path(scratch) / f"source{suffix}"
            ident = await _receive(source, content)
            if (self._folder / ident / "deck.json").is_file():
                return self.deck(ident)
            async with self._one:
                pdf = source if suffix == ".pdf" else await _to_pdf(source)
                pages = await asyncio.to_thread(_folder, Path(scratch) / "pages")
                deck = await _render(pdf, pages, ident, Path(name).stem[:200])
                target = self._folder / ident
                shutil.rmtree(target, ignore_errors=True)
                pages.rename(target)
            return deck

    def remove(self, deck: str) -> None:
        """Throws a deck away."""
        shutil.rmtree(self._folder / self.deck(deck).id, ignore_errors=True)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def _receive(target: Path, content: AsyncIterator[bytes]) -> str:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        async for chunk in content:
            size += len(chunk)
            if size > MAX_BYTES:
                raise DeckError(f"The file is larger than {MAX_BYTES >> 20} MB. Make it smaller.")
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    if not size:
        raise DeckError("The file is empty.")
    return digest.hexdigest()[:16]


async def _to_pdf(source: Path) -> Path:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        raise DeckError(
            "This room cannot read presentations: LibreOffice is not installed."
            " Export the file as PDF, or ask the technician."
        )
    profile = source.parent / "office"
    await _child(
        *(office, "--headless", "--norestore", f"-env:UserInstallation={profile.as_uri()}"),
        *("--convert-to", "pdf", "--outdir", str(source.parent), str(source)),
        timeout=CONVERT_S,
    )
    pdf = source.with_suffix(".pdf")
    if not pdf.is_file():
        raise DeckError("LibreOffice could not read this file. Export it as PDF.")
    return pdf


async def _render(pdf: Path, pages: Path, ident: str, title: str) -> Deck:
    module = "devices.tablets.deck_pages"
    said = await _child(
        *(sys.executable, "-m", module, str(pdf), str(pages), ident), timeout=RENDER_S
    )
    listed = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    if problem := next((line["error"] for line in listed if "error" in line), None):
        raise DeckError(problem)
    deck = Deck(id=ident, title=title, pages=[DeckPage(**line) for line in listed])
    if not deck.pages:
        raise DeckError("This file has no pages that can be shown. Export it as PDF again.")
    with (pages / "deck.json").open("w", encoding="utf-8") as file:
        file.write(deck.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    return deck


async def _child(*command: str, timeout: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            said, _ = await process.communicate()
    except TimeoutError:
        raise DeckError("Reading the file took too long. Export it as a simpler PDF.") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()
    return said.decode("utf-8", "replace")

"""Pages of a class in a real Chromium, each on a wire of its own that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from dashboard import pages

DIST = pages.built()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 30_000
needs_pages = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(not (DIST / "tablet.html").is_file(), reason="the pages are not built"),
]

expect.set_options(timeout=PATIENCE_MS)


class Cable:
    """A wire to the server that can be cut and mended."""

    def __init__(self, web: str) -> None:
        self._host, port = web.split(":")
        self._port = int(port)
        self._wires: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self.whole = True
        self.address = ""

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            back, forth = await asyncio.open_connection(self._host, self._port)
            ends = {writer, forth}
            self._wires |= ends
            try:
                await asyncio.gather(
                    _copy(reader, forth, self._frozen), _copy(back, writer, self._frozen)
                )
            finally:
                self._wires -= ends
                for end in ends:
                    end.transport.abort()

    def freeze(self) -> None:
        """What stands carries nothing any more, and nobody is told; new wires work."""
        self._frozen |= set(self._wires)

    def cut(self) -> None:
        self.whole = False
        for wire in list(self._wires):
            wire.transport.abort()

    def mend(self) -> None:
        self.whole = True

    async def remove(self) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()


async def _copy(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, frozen: set[asyncio.StreamWriter]
) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while data := await source.read(65536):
            if target in frozen:
                continue
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError, RuntimeError):
        target.write_eof()


class Room:
    """Opens pages in the room; each in a browser profile of its own, each on its own wire."""

    def __init__(self, web: str, chromium: Browser, tablets: Any) -> None:
        self.web, self.chromium, self.tablets = web, chromium, tablets
        self.complaints: list[str] = []
        self.cables: list[Cable] = []

    async def _open(self, **options: Any) -> tuple[Page, Cable]:
        cable = Cable(self.web)
        await cable.lay()
        self.cables.append(cable)
        size = {"width": 1180, "height": 820}
        context = await self.chromium.new_context(viewport=size, **options)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page, cable

    async def teacher(self) -> Page:
        page, cable = await self._open()
        login = {"pin": "2222"}
        answer = await page.request.post(f"{cable.address}/api/v1/login", data=login)
        assert answer.ok
        await page.goto(f"{cable.address}/tablet?teach&lang=en")
        await page.get_by_role("tablist").wait_for()
        return page

    async def board(self) -> Page:
        page, cable = await self._open()
        assert (await page.request.post(f"{cable.address}/api/v1/login", data={"pin": "2222"})).ok
        await page.goto(f"{cable.address}/board?lang=en")
        await page.locator(".board").wait_for()
        return page

    async def technician(self, where: str, language: str = "en") -> Page:
        page, cable = await self._open()
        assert (await page.request.post(f"{cable.address}/api/v1/login", data={"pin": "3333"})).ok
        await page.goto(f"{cable.address}{where}?lang={language}")
        return page

    async def student(self, name: str, language: str = "en", **options: Any) -> tuple[Page, Cable]:
        page, cable = await self._open(**options)
        code = self.tablets.room.pairing.join_code("c1").text
        await page.goto(f"{cable.address}/tablet?lang={language}#{code}")
        await page.locator("input:not(.code)").fill(name)
        await page.locator("button[type=submit]").click()
        await page.locator(".tablet").wait_for()
        return page, cable

    async def paired_student(self, tablets: Any, name: str) -> tuple[Page, Cable]:
        """A tablet of the room's own, with the page open."""
        page, cable = await self._open()
        code = tablets.room.pairing.pair_set([name]).text
        answer = await page.request.post(
            f"{cable.address}/api/v1/tablets/redeem", data={"code": code}
        )
        assert answer.ok
        await page.goto(f"{cable.address}/tablet?lang=en")
        await page.locator(".tablet").wait_for()
        return page, cable

    @property
    def lesson(self) -> Any:
        return self.tablets.room.lesson

    async def in_step(self, *opened: Page) -> None:
        """Waits until every page holds exactly the state that the room has."""
        for page in opened:
            await eventually(lambda page=page: self._equals(page))

    async def _equals(self, page: Page) -> bool:
        return bool(await state_of(page) == json.loads(json.dumps(self.lesson.state)))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def state_of(page: Page) -> Any:
    return await page.evaluate("() => lessonState()")


async def stroke(page: Page, *, start: float = 0.2) -> None:
    """Draws a line across the page with the mouse."""
    box = await page.locator("canvas.live").bounding_box()
    assert box
    x, y, wide, high = box["x"], box["y"], box["width"], box["height"]
    await page.mouse.move(x + start * wide, y + 0.3 * high)
    await page.mouse.down()
    for step in range(1, 20):
        await page.mouse.move(x + (start + step * 0.02) * wide, y + (0.3 + step * 0.02) * high)
    await page.mouse.up()


async def pixels(page: Page) -> str:
    return await page.evaluate(
        """async () => {
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          return document.querySelector(".sheet canvas").toDataURL();
        }"""
    )


async def findings(page: Page) -> list[str]:
    found = await Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}
    )
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found.response["violations"]]

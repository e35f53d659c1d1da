"""The recordings page: what was recorded. What opens from it is shown by test_review.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from browsing import PANEL, PHONE, Open, Served, barriers, sign_in, until
from playwright.async_api import Page, expect

SECONDS, FPS = 8, 10


def _lecture(file: Path) -> bytes:
    """Eight seconds of H.264 whose brightness is the second, in an MP4 that can be sought."""
    with av.open(file, "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(SECONDS * FPS):
            grey = np.full((180, 320, 3), 25 * (index // FPS), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return file.read_bytes()


@pytest.fixture
def recording(room: Any, tmp_path: Path) -> Any:
    return room.record("Optics, lecture 3", _lecture(tmp_path / "lecture.mp4"))


async def _student(page: Page) -> None:
    await sign_in(page, "1357")


async def test_a_student_finds_the_minute(served: Served, open_page: Open, recording: Any) -> None:
    page = (await open_page(f"{served.url}/recordings")).page
    await _student(page)
    row = page.get_by_role("link", name="Optics, lecture 3")
    await expect(row).to_contain_text("1 minute")
    await row.click()
    await expect(page.get_by_role("heading", name="Optics, lecture 3")).to_be_visible()
    await until(page, "document.querySelector('video').readyState >= 1")
    length = await page.evaluate("document.querySelector('video').duration")
    assert length == pytest.approx(SECONDS, abs=0.2)
    await page.get_by_role("button", name="Exam question").click()
    await until(page, "document.querySelector('video').currentTime > 6")
    await expect(page.locator('.line[aria-current="true"]')).to_contain_text("Exam question")


async def test_an_empty_room_says_so(served: Served, open_page: Open) -> None:
    page = (await open_page(f"{served.url}/recordings")).page
    await _student(page)
    await expect(page.locator("main")).to_contain_text("No class has been recorded here yet.")


@pytest.mark.parametrize(
    ("language", "size", "look"), [("en", PANEL, "light"), ("ar", PHONE, "dark")]
)
async def test_no_barrier(
    served: Served, open_page: Open, recording: Any, language: str, size: Any, look: str
) -> None:
    watched = await open_page(f"{served.url}/recordings?lang={language}", size=size, look=look)
    page = watched.page
    await _student(page)
    await page.wait_for_selector(".recording")
    assert await barriers(page) == []
    assert watched.elsewhere(served.url) == []

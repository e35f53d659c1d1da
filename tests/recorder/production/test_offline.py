"""The offline package as its user opens it: unpacked, in a browser, without any server."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from recorder.production import slides
from recorder.production.finish import finish
from recorder.production.package import package
from recorder.production.slides import Slide
from recorder.production.vtt import Cue, vtt
from recorder.recording import Recording

CHROMIUM = shutil.which("chromium")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
async def test_the_page_plays_jumps_and_has_captions(tmp_path: Path, build: Any) -> None:
    api = pytest.importorskip("playwright.async_api")
    recording: Recording = build(tmp_path / "rooms", language="ar")
    finish(recording)
    words = vtt([Cue(1, 3, "Energy & <motion>"), Cue(5, 6, "طاقة")], "ar")
    (recording.products / "captions.ar.vtt").write_text(words)
    (recording.products / "transcript.ar.txt").write_text("طاقة")
    slides.write(recording, [Slide(1, 0, 8, None, "One"), Slide(2, 8, 14, None, "")], [])
    package(recording, whole=True)
    with zipfile.ZipFile(recording.products / "offline.zip") as archived:
        archived.extractall(tmp_path / "page")
    async with api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto((tmp_path / "page" / "index.html").as_uri())
        await page.wait_for_function("document.querySelector('video').readyState >= 1")
        await page.evaluate("document.querySelector('video').textTracks[0].mode = 'showing'")
        await page.wait_for_function(
            "(document.querySelector('video').textTracks[0].cues ?? []).length === 2"
        )
        text = await page.evaluate("document.querySelector('video').textTracks[0].cues[0].text")
        assert text == "Energy &amp; &lt;motion&gt;"
        await page.click("button >> nth=1")
        await page.wait_for_function("document.querySelector('video').currentTime >= 8")
        assert await page.evaluate("document.dir") == "rtl"
        assert "Physics & more" in await page.inner_text("h1")
        await browser.close()
    assert said == []

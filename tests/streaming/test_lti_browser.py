"""A real Chromium goes from a course platform's page into the class, framed and in a window."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from playwright.async_api import Browser, Frame, Page, async_playwright
from pretend_platform import KEY, Platform

from controller.course_platforms import LtiSection
from controller.settings import AuthSettings
from streaming.access import Visibility

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PATIENCE_MS = 60_000
LIVE = ".live-page[data-state=live]"


@pytest.fixture
async def school(tmp_path: Path, halls: Any) -> AsyncIterator[Callable[..., Any]]:
    """A room and the platform that it knows; `name` is the platform's host."""
    made: list[Any] = []

    async def make(name: str, tls: tuple[Path, Path] | None = None) -> tuple[Any, Platform]:
        platform = Platform(name, tls)
        section = LtiSection.model_validate({"platforms": [platform.settings()]})
        hall = halls(tmp_path, AuthSettings(), section)
        hall.recording = hall.begin()
        hall.live.set_visibility(hall.recording.folder, Visibility.COURSE)
        made.append((platform, hall))
        platform.tool = f"http://{await hall.serve()}"
        return hall, platform

    yield make
    for platform, hall in made:
        platform.stop()
        await hall.stop()


async def keep(page: Page, name: str) -> None:
    if shots := os.environ.get("CLASSROOMD_SCREENSHOTS"):
        await page.screenshot(path=f"{shots}/{name}.png")


async def framed(page: Page, path: str) -> Frame:
    """The frame inside the platform's page, once it is at `path`."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            for frame in page.frames:
                if frame.url.partition("?")[0].endswith(path):
                    return frame
            await asyncio.sleep(0.05)


async def test_a_student_watches_inside_the_course(
    chromium: Browser, school: Any, record: Any
) -> None:
    """From the course's page to the moving picture, recorded by the real recorder."""
    hall, platform = await school("127.0.0.1")
    await record(hall.recording)
    page = await chromium.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{platform.url}/course")
    inside = await framed(page, "/live")
    await inside.wait_for_selector("[data-player=playing]", timeout=PATIENCE_MS)
    assert await inside.locator("h1").inner_text() == "Optics"
    frames = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while await inside.evaluate(frames) < 25:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await keep(page, "lti-framed")
    assert complaints == []


async def test_where_cookies_are_blocked_a_window_opens(chromium: Browser, school: Any) -> None:
    """Another site's frame over http: the browser keeps nothing, and the page says what to do."""
    _, platform = await school("localhost")
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(f"{platform.url}/course")
    inside = await framed(page, "/lti/launch")
    await inside.wait_for_selector("[data-kind=window]", timeout=PATIENCE_MS)
    assert "http" in await inside.locator(".hint").inner_text()
    await keep(page, "lti-window")
    async with context.expect_page() as opening:
        await inside.click("a.button")
    window = await opening.value
    await window.wait_for_selector(LIVE, timeout=PATIENCE_MS)
    assert window.url == f"{platform.tool}/live"  # the key is gone from the address
    await window.reload()
    await window.wait_for_selector(LIVE, timeout=PATIENCE_MS)
    # Opened as a page of its own from the start, the same platform needs no second window.
    await page.goto(f"{platform.url}/link")
    await page.click("#open")
    await page.wait_for_selector(LIVE, timeout=PATIENCE_MS)
    assert page.url == f"{platform.tool}/live"


async def test_a_lecturer_chooses_what_the_course_links_to(chromium: Browser, school: Any) -> None:
    hall, platform = await school("localhost")
    platform.deep, platform.role = True, "Instructor"
    page = await chromium.new_page(locale="fr")
    await page.goto(f"{platform.url}/course")
    inside = await framed(page, "/lti/launch")
    await inside.wait_for_selector("[data-kind=choose]", timeout=PATIENCE_MS)
    assert await inside.locator("label").count() == 2  # the class, and what it has left so far
    await inside.check(f"input[value='{hall.recording.id}']")
    await keep(page, "lti-choose")
    await inside.click("button[type=submit]")
    await inside.wait_for_selector("#kept", timeout=PATIENCE_MS)
    assert len(platform.returned) == 1


async def test_a_refusal_says_what_is_wrong(chromium: Browser, school: Any) -> None:
    _, platform = await school("localhost")
    platform.tamper = lambda claims, header: claims.update(aud="room-102")
    page = await chromium.new_page(locale="ar")
    await page.goto(f"{platform.url}/course")
    inside = await framed(page, "/lti/launch")
    said = inside.locator("[data-code=lti_audience]")
    await said.wait_for(timeout=PATIENCE_MS)
    assert "room-102" in await said.inner_text()
    assert await inside.locator("html").get_attribute("dir") == "rtl"
    await keep(page, "lti-refused")


def certificate(folder: Path) -> tuple[Path, Path]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "school")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(KEY.private, hashes.SHA256())
    )
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        KEY.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, key


async def test_over_https_it_stays_inside_the_course_without_third_party_cookies(
    school: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    browser_line: tuple[str, list[str]],
) -> None:
    """Two sites, both https, and a browser that blocks third parties' cookies."""
    executable, arguments = browser_line
    tls = certificate(tmp_path)

    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))
    hall, platform = await school("localhost", tls)
    config = uvicorn.Config(
        hall.app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        lifespan="off",
        ws="websockets-sansio",
        ssl_certfile=tls[0],
        ssl_keyfile=tls[1],
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    platform.tool = f"https://127.0.0.1:{port}"
    try:
        async with async_playwright() as playwright:
            strict = await playwright.chromium.launch(
                executable_path=executable, args=[*arguments, "--test-third-party-cookie-phaseout"]
            )
            context = await strict.new_context(ignore_https_errors=True)
            page = await context.new_page()
            await page.goto(f"{platform.url}/course")
            inside = await framed(page, "/live")
            await inside.wait_for_selector(LIVE, timeout=PATIENCE_MS)
            await keep(page, "lti-https")
            kept = [one for one in await context.cookies() if one["name"] == "classroomd_member"]
            assert kept[0]["sameSite"] == "None" and kept[0]["secure"] and kept[0]["httpOnly"]
            await strict.close()
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, 20)

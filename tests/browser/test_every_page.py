"""What holds for every page: no barrier, no sideways scrolling, nothing asked of other hosts."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import PANEL, PHONE, Open, Served, barriers
from playwright.async_api import expect

from dashboard.pages import PAGES

PLAIN = sorted(address for address in PAGES if "{" not in address)


@pytest.mark.parametrize(
    ("language", "size", "look"), [("en", PANEL, "light"), ("ar", PHONE, "dark")]
)
async def test_no_page_has_a_barrier(
    served: Served, open_page: Open, language: str, size: Any, look: str
) -> None:
    """One walk for each language: signed in as who runs the room, then through all pages."""
    watched = await open_page(f"{served.url}/healthz", size=size, look=look)
    page = watched.page
    answer = await page.context.request.post(
        f"{served.url}/api/v1/login", data={"name": "Tech", "password": "a long password"}
    )
    assert answer.ok
    wrong: dict[str, list[str]] = {}
    for address in PLAIN:
        await page.goto(f"{served.url}{address}?lang={language}")
        await expect(page.locator("#page > *").first).to_be_visible()
        await expect(page.locator(".waiting")).to_have_count(0)
        await expect(page.locator("h1").first).to_be_attached()
        await expect(page.locator("html")).to_have_attribute("lang", language)
        if found := await barriers(page):
            wrong[address] = found
    assert not wrong
    assert watched.elsewhere(served.url) == []

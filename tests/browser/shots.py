"""Pictures of every page in its states, to be looked at: `python tests/browser/shots.py FOLDER`.

English and Arabic, panel and phone, light and dark, and once with the few colours of a system's
high contrast; the states are loading, empty, full, offline and error, and those of a class.
`--only review` makes those of one page, `--language fr` those of another language on a panel.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dashboard")]

from browsing import ARGUMENTS, CHROMIUM, PANEL, PHONE, PIN, Served  # noqa: E402
from lecture import make_lecture  # noqa: E402
from panel_states import all_on, trouble  # noqa: E402
from playwright.async_api import Page, async_playwright  # noqa: E402
from pretend_room import PretendRoom  # noqa: E402

from controller.settings import AuthSettings, UserSpec  # noqa: E402
from controller.state import AccessRole, Actor  # noqa: E402
from dashboard.app import create_app  # noqa: E402
from dashboard.pages import PAGES  # noqa: E402

LOOKS: list[tuple[str, tuple[int, int], str]] = [
    ("en", PANEL, "light"),
    ("ar", PHONE, "dark"),
    ("en", PHONE, "light"),
    ("ar", PANEL, "dark"),
    ("en", PANEL, "forced"),
]
Act = Callable[[Page], Awaitable[Any]]


@dataclass(frozen=True)
class State:
    """One state of one page: `before` the page is opened, `act` on it once it stands."""

    name: str
    address: str
    before: Act | None = None
    act: Act | None = None
    signed_in: bool = True
    room: Callable[[Any], Awaitable[Any]] | None = None


TEACHER = Actor(name="Teacher", role=AccessRole.INSTRUCTOR, door="panel")


async def _in_class(room: Any) -> None:
    await room.start_class(TEACHER, title="Optics, lecture 4", minutes=45)
    all_on(room)


async def _warming(room: Any) -> None:
    await room.start_class(TEACHER)


async def _paused(room: Any) -> None:
    await _in_class(room)
    await room.pause(TEACHER)


async def _ending(room: Any) -> None:
    await _in_class(room)
    await room.end_class(TEACHER, undo=True)


async def _trouble(room: Any) -> None:
    await _in_class(room)
    trouble(room)


async def _unrecorded(room: Any) -> None:
    await _in_class(room)
    room.session.recording_state = "failed"
    room.session.recording_error = "no source delivers anything"


async def _stalled(page: Page) -> None:
    async def wait(route: Any) -> None:
        await asyncio.sleep(20)

    await page.route("**/api/v1/recordings**", wait)


async def _refused(page: Page) -> None:
    await page.route("**/api/v1/recordings**", lambda route: route.fulfill(status=500, body="{}"))


async def _lost(page: Page) -> None:
    await page.route("**/api/v1/**", lambda route: route.abort())


def _keys(*keys: str) -> Act:
    async def press(page: Page) -> None:
        await page.wait_for_timeout(600)
        for key in keys:
            if " " in key or (key.islower() and len(key) > 2):
                await page.keyboard.type(key)
            else:
                await page.keyboard.press(key)

    return press


async def _levels(page: Page) -> None:
    await page.wait_for_selector(".picture img")
    LEVEL[0]()
    await page.wait_for_timeout(300)


LEVEL: list[Callable[[], Any]] = []


def _click(selector: str) -> Act:
    async def click(page: Page) -> None:
        await page.click(selector)

    return click


def states(lecture: str) -> list[State]:
    """Every page, and what it can look like."""
    review = f"/review/{lecture}"
    shown = [
        State("review", f"{review}?t=17", act=_keys("c")),
        State("review-search", review, act=_keys("/", "exam")),
        State("review-notes", review, act=_keys("b", "n", "Ask about lenses")),
        State("review-help", review, act=_keys("?")),
        State("review-cut", review, act=_click(".about-tools .button:last-child")),
        State("review-share", review, act=_click(".about-tools .button:nth-child(2)")),
        State("review-downloads", review, act=_click(".about-tools .button:first-child")),
        State("review-loading", review, before=_stalled),
        State("review-error", review, before=_refused),
        State("review-offline", review, before=_lost),
        State("review-unknown", "/review/nothing"),
        State("recordings-loading", "/recordings", before=_stalled),
        State("recordings-error", "/recordings", before=_refused),
        State("panel-locked", "/", signed_in=False),
        State("panel-warming", "/", room=_warming),
        State("panel-class", "/", room=_in_class, act=_levels),
        State("panel-camera", "/", room=_in_class, act=_click(".device-more >> nth=-1")),
        State("panel-paused", "/", room=_paused),
        State("panel-end", "/", room=_in_class, act=_click(".action-end")),
        State("panel-ending", "/", room=_ending),
        State("panel-alarm", "/", room=_trouble),
        State("panel-unrecorded", "/", room=_unrecorded, act=_levels),
        State("panel-help", "/", room=_in_class, act=_click(".help-button")),
        State("console-class", "/console", room=_trouble),
        *(
            State(f"console-{tab}", f"/console#{tab}")
            for tab in ("devices", "find", "config", "journal", "sheet")
        ),
        State("panel-offline", "/", before=_lost),
    ]
    plain = [address for address in PAGES if "{" not in address]
    return [
        *(State(PAGES[one].removesuffix(".html"), one) for one in plain),
        *shown,
    ]


async def shoot(folder: Path, only: str, language_asked: str) -> int:
    """Make the pictures; how many."""
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="shots-"))
    room: Any = PretendRoom(root / "recordings")
    calm = (room.alarms, [one.model_copy(deep=True) for one in room.devices], room.sources)
    lecture = make_lecture(room.record("Optics, lecture 3: refraction and lenses"))
    room.record("Waves")
    os.environ["SHOTS_SECRET"] = "a long password"
    admin = UserSpec(name="Tech", role=AccessRole.ADMIN, secret="env:SHOTS_SECRET")
    key = secrets.token_bytes(32)
    os.environ["SHOTS_PIN"] = PIN
    teacher = UserSpec(name="Teacher", role=AccessRole.INSTRUCTOR, secret="env:SHOTS_PIN")
    settings = AuthSettings(users=[admin, teacher])
    server = Served(lambda: create_app(room, auth=settings, secret_key=key))
    await server.start()
    LEVEL.append(lambda: room.level(lectern=-14.0))
    made = 0
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        first = await browser.new_context()
        await first.request.post(
            f"{server.url}/api/v1/login", data={"name": "Tech", "password": "a long password"}
        )
        cookies: Any = await first.cookies()
        looks = [(language_asked, PANEL, "light")] if language_asked else LOOKS
        for language, size, look in looks:
            for state in states(lecture.id):
                if only and not state.name.startswith(only):
                    continue
                context = await browser.new_context(
                    viewport={"width": size[0], "height": size[1]},
                    color_scheme="dark" if look == "dark" else "light",
                    forced_colors="active" if look == "forced" else "none",
                )
                room.free()
                room.alarms, devices, sources = calm
                room.devices = [one.model_copy(deep=True) for one in devices]
                room.sources = [
                    one.model_copy(update={"state": "idle", "has_picture": False})
                    for one in sources
                ]
                if state.room:
                    await state.room(room)
                if state.signed_in:
                    await context.add_cookies(cookies)
                page = await context.new_page()
                page.set_default_timeout(8000)
                if state.before:
                    await state.before(page)
                glue = "&" if "?" in state.address else "?"
                address, _, tab = state.address.partition("#")
                await page.goto(f"{server.url}{address}{glue}lang={language}#{tab}")
                await page.wait_for_timeout(1200)
                shape = "phone" if size == PHONE else "forced" if look == "forced" else "panel"
                name = f"{state.name}-{language}-{shape}.png"
                try:
                    if state.act:
                        await state.act(page)
                        await page.wait_for_timeout(400)
                except Exception as error:  # a page that lacks it is seen as it is
                    print(f"{name}: {str(error).splitlines()[0]}")
                await page.screenshot(path=folder / name)
                made += 1
                await context.close()
        await browser.close()
    room.free()
    await server.stop()
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--language", default="")
    asked = parser.parse_args()
    print(
        f"{asyncio.run(shoot(asked.folder, asked.only, asked.language))} pictures in {asked.folder}"
    )

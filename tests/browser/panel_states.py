"""States of the room that the panel's tests show it, and what must fit in every one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Page

from controller.state import Alarm
from devices.model import Health, Power

# Targets too small for a finger, texts that are cut, a page wider than its screen.
UNFIT = """(() => {
    const least = innerWidth > 800 ? 64 : 55.5;
    const small = [...document.querySelectorAll('button, a, input')]
        .map(one => [one.ariaLabel || one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.width < least || box.height < least)
        .map(([name, box]) => `${name} ${Math.round(box.width)}x${Math.round(box.height)}`);
    const cut = [...document.querySelectorAll('.button-text, .strip-word, .device-state')]
        .filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
            && getComputedStyle(one).display !== 'inline')
        .map(one => one.textContent);
    const root = document.documentElement;
    return {wide: Math.max(0, root.scrollWidth - root.clientWidth), cut, small};
})()"""


async def start_class(page: Page) -> None:
    await page.click(".start")
    await page.wait_for_selector(".strip.is-live")


def trouble(room: Any) -> None:
    room.devices[1].health = Health.OFFLINE
    room.devices[1].detail = "no reply for 12 s"
    room.sources[0].state = "lost"
    room.alarms = [
        Alarm(
            id=kind,
            severity="warning",
            who="instructor",
            text="Text of the room.",
            remedy="",
            since=datetime.now(UTC),
            subject="projector",
        )
        for kind in ("device.projector", "recorder.source_lost.front", "class.overtime")
    ]
    room.tell()


def all_on(room: Any) -> None:
    for device in room.devices:
        device.warm_s = None
        if device.kind != "screen":
            device.power = Power.ON
    room.tell()

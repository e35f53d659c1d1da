"""A room's tablets on a real store, and members that keep a replica of what they hear."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright

from controller.broker import ManagedBroker
from controller.settings import AuthSettings, UserSpec
from controller.state import AccessRole
from controller.tablet_store import TabletStore
from controller.tablets import Tablets
from dashboard.app import create_app
from devices.tablets.access import BrokerAccess
from devices.tablets.mqtt import MqttTablets
from devices.tablets.room import TabletRoom
from devices.transports.mqtt import MqttLink

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dashboard")]

from classroom_pages import CHROMIUM, Room  # noqa: E402
from pretend_room import PretendRoom  # noqa: E402
from tablet_members import (  # noqa: E402
    Clock,
    Listener,
    NativeTablet,
    PageTablet,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[TabletStore]:
    store = TabletStore(tmp_path / "tablets.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def room(store: TabletStore, clock: Clock) -> AsyncIterator[TabletRoom]:
    room = TabletRoom("room1", store, now=clock)
    await room.start()
    yield room
    await room.stop()


@pytest.fixture
def seat(room: TabletRoom) -> Callable[..., Any]:
    """Pairs a tablet and connects it: `await seat("Ada")`, `await seat("Board", "board")`."""

    async def take(name: str, role: Any = "student", *, greet: bool = True) -> Listener:
        code = room.pairing.pair_set([name], role)
        paired = await room.pairing.redeem(code.text, "127.0.0.1")
        member = Listener(room, paired.tablet)
        if greet:
            await member.hello()
        return member

    return take


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits for a condition, at most 30 s."""

    async def wait(condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30):
            while not (value := condition()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return value

    return wait


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    broker = ManagedBroker(tmp_path)
    if not broker.takes_tablets:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    broker.login = await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def door(room: TabletRoom, broker: ManagedBroker) -> AsyncIterator[MqttTablets]:
    link = MqttLink(*broker.login, client_id="daemon")
    await link.start()
    assert await link.wait_connected(60)
    door = MqttTablets(room, link, BrokerAccess(link, room.room))
    await door.start()
    yield door
    await door.stop()
    await link.stop()


@pytest.fixture
async def native(
    room: TabletRoom, door: MqttTablets, broker: ManagedBroker
) -> AsyncIterator[Callable[..., Any]]:
    """Pairs a native tablet; connects it unless told not to."""
    made: list[NativeTablet] = []

    async def take(name: str, role: Any = "student", *, connect: bool = True) -> NativeTablet:
        paired = await room.pairing.redeem(room.pairing.pair_set([name], role).text, "127.0.0.1")
        await door.grant(paired.tablet.id, paired.credential)
        tablet = NativeTablet(broker.port, room.room, paired)
        made.append(tablet)
        if connect:
            await tablet.connect()
        return tablet

    yield take
    for tablet in made:
        await tablet.close()


# --- over HTTP ------------------------------------------------------------------------------


PEOPLE = [("technician", "3333"), ("instructor", "2222"), ("student", "1111")]


@pytest.fixture
async def tablets(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Tablets]:
    """The daemon's part, with a broker where the test has one; a lesson is on."""
    link = None
    if "broker" in request.fixturenames:
        link = MqttLink(*request.getfixturevalue("broker").login, client_id="daemon")
        await link.start()
        assert await link.wait_connected(60)
    tablets = Tablets("room1", tmp_path / "state", mqtt=link, managed=True)
    await tablets.start()
    lesson = await tablets.room.open("c1", "Physics")
    pages = [
        {"id": f"p{c}", "kind": "blank", "title": c, "url": None, "image": None} for c in "abcd"
    ]
    await lesson.put("deck", {"deck": {"id": "d", "title": "Deck"}, "pages": pages})
    yield tablets
    await tablets.stop()
    if link:
        await link.stop()


@pytest.fixture
async def web(
    tablets: Tablets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """The web application on a real socket: its address without the scheme."""
    users = []
    for name, pin in PEOPLE:
        monkeypatch.setenv(f"PIN_{name}", pin)
        users.append(UserSpec(name=name, role=AccessRole(name), secret=f"env:PIN_{name}"))
    room = PretendRoom(tmp_path / "recordings")
    tablets.events = room.events
    app = create_app(
        room,
        auth=AuthSettings(users=users),
        secret_key=b"k" * 32,
        students=tablets,
    )
    tablets.pretend = room  # type: ignore[attr-defined]
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=256 * 1024,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), "the server did not start"
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"{host}:{port}"
    server.should_exit = True
    await asyncio.wait_for(task, 20)


@pytest.fixture
async def people(web: str) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Signed-in clients by name, and `nobody`."""
    async with contextlib.AsyncExitStack() as stack:
        clients = {}
        for name, pin in [*PEOPLE, ("nobody", "")]:
            client = httpx.AsyncClient(base_url=f"http://{web}", timeout=30)
            clients[name] = await stack.enter_async_context(client)
            if pin:
                answer = await client.post("/api/v1/login", json={"pin": pin})
                assert answer.status_code == 200, answer.text
        yield clients


@pytest.fixture
async def page(
    tablets: Tablets, web: str, people: dict[str, httpx.AsyncClient]
) -> AsyncIterator[Callable[..., Any]]:
    """Pairs and connects a tablet over HTTP: `await page("Ada")`; "teacher" signs in instead."""
    made: list[PageTablet] = []

    async def take(name: str, *, connect: bool = True) -> PageTablet:
        if name == "teacher":
            cookie = "; ".join(f"{k}={v}" for k, v in people["instructor"].cookies.items())
            tablet = PageTablet(web, {"Cookie": cookie}, "?as=lecturer")
        else:
            code = tablets.room.pairing.pair_set([name])
            paired = await tablets.redeem(code.text, "127.0.0.1")
            tablet = PageTablet(web, {"Cookie": f"classroomd_tablet={paired.credential}"})
            tablet.paired = paired
        made.append(tablet)
        if connect:
            await tablet.connect()
        return tablet

    yield take
    for tablet in made:
        await tablet.close()


# --- in a browser ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One browser for all tests here; each connects to it from its own event loop."""
    profile = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [
            *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            "--host-resolver-rules=MAP room.test 127.0.0.1",
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        ],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    told = profile / "DevToolsActivePort"
    for _ in range(600):
        if told.is_file() and told.read_text().strip():
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
    process.terminate()
    process.wait(20)


@pytest.fixture
async def chromium(chromium_address: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium_address)
        yield browser
        for context in browser.contexts[1:]:
            await context.close()
        await browser.close()


@pytest.fixture
async def here(web: str, chromium: Browser, tablets: Any) -> AsyncIterator[Room]:
    room = Room(web, chromium, tablets)
    yield room
    for cable in room.cables:
        await cable.remove()
    assert not room.complaints


@pytest.fixture
def pdf() -> bytes:
    """Three pages with a title each."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(3))
    objects.append(f"<</Type/Pages/Count 3/Kids[{kids}]>>")
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    for number in range(3):
        text = f"BT /F1 40 Tf 60 400 Td (Page {number + 1}) Tj ET"
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 960 540]/Contents {5 + 2 * number} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        objects.append(f"<</Length {len(text)}>>stream\n{text}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{at:010} 00000 n \n" for at in places)
    end = len(out)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{end}\n%%EOF\n".encode()

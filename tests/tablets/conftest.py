"""A room's tablets on a real store, and members that keep a replica of what they hear."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
import uvicorn
import websockets

from controller.broker import ManagedBroker
from controller.settings import AuthSettings, UserSpec
from controller.state import AccessRole
from controller.tablet_store import TabletStore
from controller.tablets import Tablets
from dashboard.app import create_app
from devices.tablets.access import BrokerAccess
from devices.tablets.clock import room_ms
from devices.tablets.member import Member
from devices.tablets.mqtt import MqttTablets
from devices.tablets.pairing import Paired, Tablet
from devices.tablets.replica import Replica
from devices.tablets.room import TabletRoom
from devices.transports.mqtt import MqttLink


class Listener(Member):
    """A member in this process: replies of its replica go back to the room."""

    def __init__(self, room: TabletRoom, tablet: Tablet) -> None:
        super().__init__(tablet)
        self.room, self.replica = room, Replica()
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[str, str] | None = None
        self.deaf = False

    def send(self, text: str) -> None:
        if self.deaf or self.closed:
            return
        self.heard.append(json.loads(text))
        for reply in self.replica.take(text):
            self.later = asyncio.ensure_future(self.room.receive(self, json.dumps(reply)))

    def close(self, code: str, reason: str) -> None:
        self.closed = (code, reason)
        self.room.members.discard(self)

    async def say(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Says something; returns the acknowledgement or refusal."""
        fields.setdefault("id", uuid.uuid4().hex)
        if kind == "answer":
            fields.setdefault("session", self.room.lesson.session if self.room.lesson else "")
        await self.room.receive(self, json.dumps({"type": kind, **fields}))
        for message in reversed(self.heard):
            if message["type"] in ("saved", "refused") and message["id"] == fields["id"]:
                return message
        return self.heard[-1] if self.heard else {}

    async def hello(self) -> None:
        if self not in self.room.members:
            self.room.join(self)
        await self.room.receive(self, json.dumps(self.replica.hello()))

    def last(self, kind: str) -> dict[str, Any]:
        return next(m for m in reversed(self.heard) if m["type"] == kind)


class Clock:
    """The room's clock: the real one, and it may be put forward by hand."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return room_ms() + self.ahead


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
    assert await link.wait_connected()
    door = MqttTablets(room, link, BrokerAccess(link, room.room))
    await door.start()
    yield door
    await door.stop()
    await link.stop()


class NativeTablet:
    """A tablet of its own over MQTT: connects, says hello, keeps a replica."""

    def __init__(self, port: int, room: str, paired: Paired) -> None:
        self.port, self.base, self.paired = port, f"classroom/{room}", paired
        self.replica = Replica()
        self.heard: list[dict[str, Any]] = []
        self._task: asyncio.Task[None] | None = None
        self._client: aiomqtt.Client | None = None

    @property
    def own(self) -> str:
        return f"{self.base}/tablets/{self.paired.tablet.id}"

    def client(self, **other: Any) -> aiomqtt.Client:
        ident = self.paired.tablet.id
        fields = {"username": ident, "password": self.paired.credential, "identifier": ident}
        will = aiomqtt.Will(f"{self.own}/presence", "offline", qos=1, retain=True)
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            will=will,
            protocol=aiomqtt.ProtocolVersion.V5,
            **(fields | other),
        )

    async def connect(self) -> None:
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(up))
        await up

    async def _run(self, up: asyncio.Future[None]) -> None:
        try:
            async with self.client() as client:
                self._client = client
                for topic in ("class/log", "class/now"):
                    await client.subscribe(f"{self.base}/{topic}", qos=1)
                await client.subscribe(f"{self.own}/down", qos=1)
                await self.put(self.replica.hello())
                up.set_result(None)
                async for message in client.messages:
                    self.heard.append(json.loads(bytes(message.payload)))
                    for reply in self.replica.take(bytes(message.payload)):
                        await self.put(reply)
        except Exception as error:
            if not up.done():
                up.set_exception(error)
        finally:
            self._client = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def say(self, kind: str, **fields: Any) -> None:
        await self.put({"type": kind, **fields})

    async def put(self, message: dict[str, Any]) -> None:
        assert self._client
        await self._client.publish(f"{self.own}/up", json.dumps(message), qos=1)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


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


def _pretend_room(folder: Path) -> Any:
    """The dashboard tests' room in memory."""
    path = Path(__file__).parents[1] / "dashboard" / "pretend_room.py"
    spec = importlib.util.spec_from_file_location("pretend_room", path)
    assert spec and spec.loader
    module = sys.modules.setdefault("pretend_room", importlib.util.module_from_spec(spec))
    if not hasattr(module, "PretendRoom"):
        spec.loader.exec_module(module)
    return module.PretendRoom(folder)


PEOPLE = [("technician", "3333"), ("instructor", "2222"), ("student", "1111")]


@pytest.fixture
async def tablets(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Tablets]:
    """The daemon's part, with a broker where the test has one; a lesson is on."""
    link = None
    if "broker" in request.fixturenames:
        link = MqttLink(*request.getfixturevalue("broker").login, client_id="daemon")
        await link.start()
        assert await link.wait_connected()
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
    app = create_app(
        _pretend_room(tmp_path / "recordings"),
        auth=AuthSettings(users=users),
        secret_key=b"k" * 32,
        students=tablets,
    )
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


class PageTablet:
    """A tablet over the WebSocket, as the page is one: keeps a replica, answers gaps."""

    def __init__(self, web: str, headers: dict[str, str], query: str = "") -> None:
        self._address = f"ws://{web}/api/v1/tablets/socket{query}"
        self._headers = headers
        self.replica = Replica()
        self.heard: list[dict[str, Any]] = []
        self.socket: Any = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self, **hello: Any) -> None:
        self.socket = await websockets.connect(
            self._address, additional_headers=self._headers, max_size=None
        )
        await self.put(self.replica.hello(**hello))
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                self.heard.append(json.loads(text))
                for reply in self.replica.take(text):
                    await self.put(reply)

    async def put(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def say(self, kind: str, **fields: Any) -> None:
        await self.put({"type": kind, "id": uuid.uuid4().hex, **fields})

    async def cut(self) -> None:
        """The network goes away without a word."""
        self.socket.transport.abort()
        if self._task:
            await self._task

    async def close(self) -> None:
        if self.socket:
            await self.socket.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


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

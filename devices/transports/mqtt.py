"""One connection to the MQTT broker per process, shared by everything that speaks MQTT.

`MqttLink` keeps itself connected; `MqttDeviceLink` makes one device on it look like a link whose
messages are `topic NUL payload`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress

import aiomqtt

from devices.transports.link import Link, LinkError
from firmware_profiles.messages import TOPIC_END

log = logging.getLogger(__name__)

Handler = Callable[[str, bytes], None]
MAX_PAYLOAD = 256 * 1024


class MqttLink:
    """A broker connection that stands by itself: reconnects with back-off, subscribes again.

    `will`: (topic, payload) that the broker publishes, retained, when this process vanishes.
    """

    def __init__(
        self,
        host: str,
        port: int = 1883,
        username: str | None = None,
        password: str | None = None,
        client_id: str = "classroomd",
        tls: bool = False,
        will: tuple[str, str | bytes] | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._username, self._password = username, password
        self._client_id, self._tls, self._will = client_id, tls, will
        self._client: aiomqtt.Client | None = None
        self._handlers: dict[str, list[Handler]] = {}
        self._watchers: list[Callable[[bool], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()
        self.error = "not started"

    @property
    def connected(self) -> bool:
        """Does the connection stand now?"""
        return self._ready.is_set()

    async def start(self) -> None:
        """Begin connecting; returns at once."""
        if self._task is None:
            self.error = "connecting"
            self._task = asyncio.create_task(self._run(), name=f"mqtt {self._client_id}")

    async def stop(self) -> None:
        """Disconnect; the will is not sent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def wait_connected(self, timeout: float = 10.0) -> bool:
        """Wait for the connection; False when it doesn't come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        return self.connected

    async def publish(
        self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Send one message. Raises LinkError when the broker isn't there."""
        client = self._client
        if client is None or not self.connected:
            raise LinkError(f"no MQTT broker at {self.host}:{self.port} ({self.error})")
        try:
            await client.publish(topic, payload, qos=qos, retain=retain, timeout=5.0)
        except (aiomqtt.MqttError, ValueError) as error:
            raise LinkError(f"MQTT: {error}") from error

    def subscribe(self, topic_filter: str, handler: Handler) -> Callable[[], None]:
        """Call `handler(topic, payload)` for matching messages, now and after reconnects.

        Returns what ends the subscription. The handler must not block.
        """
        handlers = self._handlers.setdefault(topic_filter, [])
        handlers.append(handler)
        self._later(self._subscribe(topic_filter))

        def end() -> None:
            with suppress(ValueError):
                handlers.remove(handler)
            if not handlers and self._handlers.get(topic_filter) is handlers:
                del self._handlers[topic_filter]
                self._later(self._unsubscribe(topic_filter))

        return end

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]:
        """Call `watcher` at each connect and loss. Returns what ends that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _later(self, job: Coroutine[None, None, None]) -> None:
        try:
            task = asyncio.get_running_loop().create_task(job)
        except RuntimeError:
            job.close()
            return
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _subscribe(self, topic_filter: str) -> None:
        if self._client is not None and self.connected and topic_filter in self._handlers:
            with suppress(aiomqtt.MqttError):
                await self._client.subscribe(topic_filter, qos=1)

    async def _unsubscribe(self, topic_filter: str) -> None:
        if self._client is not None and self.connected and topic_filter not in self._handlers:
            with suppress(aiomqtt.MqttError):
                await self._client.unsubscribe(topic_filter)

    def _new_client(self) -> aiomqtt.Client:
        will = None
        if self._will is not None:
            will = aiomqtt.Will(self._will[0], self._will[1], qos=1, retain=True)
        return aiomqtt.Client(
            self.host,
            self.port,
            username=self._username,
            password=self._password,
            identifier=self._client_id,
            tls_context=ssl.create_default_context() if self._tls else None,
            will=will,
            keepalive=15,
            timeout=5.0,
            max_queued_incoming_messages=10_000,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )

    async def _run(self) -> None:
        delay = 0.2
        while True:
            try:
                async with self._new_client() as client:
                    self._client = client
                    for topic_filter in list(self._handlers):
                        await client.subscribe(topic_filter, qos=1)
                    self.error, delay = "", 0.2
                    self._ready.set()
                    self._tell(True)
                    async for message in client.messages:
                        self._dispatch(message.topic, message.payload)
            except (aiomqtt.MqttError, OSError) as error:
                self.error = str(error)
                log.info("MQTT %s:%s: %s", self.host, self.port, error)
            finally:
                was, self._client = self.connected, None
                self._ready.clear()
                if was:
                    self._tell(False)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)

    def _tell(self, connected: bool) -> None:
        for watcher in list(self._watchers):
            watcher(connected)

    def _dispatch(self, topic: aiomqtt.Topic, payload: object) -> None:
        data = payload if isinstance(payload, bytes) else b""
        if len(data) > MAX_PAYLOAD:
            return
        for topic_filter, handlers in list(self._handlers.items()):
            if not topic.matches(topic_filter):
                continue
            for handler in list(handlers):
                try:
                    handler(topic.value, data)
                except Exception:
                    log.exception("a handler of %s failed", topic_filter)


class MqttDeviceLink(Link):
    """One device's topics on the shared connection."""

    datagram = True

    def __init__(self, mqtt: MqttLink, topics: Iterable[str]) -> None:
        super().__init__()
        self._mqtt, self._topics = mqtt, list(topics)
        self._ends: list[Callable[[], None]] = []

    @property
    def address(self) -> str:
        return f"mqtt://{self._mqtt.host}:{self._mqtt.port} {' '.join(self._topics)}"

    async def open(self) -> None:
        await self._mqtt.start()
        if not await self._mqtt.wait_connected(5.0):
            raise LinkError(
                f"no MQTT broker at {self._mqtt.host}:{self._mqtt.port} ({self._mqtt.error})",
                "check [mqtt] and that the broker runs",
            )
        self.lost = None
        self._ends = [self._mqtt.subscribe(topic, self._received) for topic in self._topics]
        self._ends.append(self._mqtt.watch(self._changed))

    def _received(self, topic: str, payload: bytes) -> None:
        self.on_data(topic.encode() + TOPIC_END + payload)

    def _changed(self, connected: bool) -> None:
        if not connected:
            self._gone("the MQTT broker is gone")

    async def write(self, data: bytes) -> None:
        topic, _, payload = data.partition(TOPIC_END)
        await self._mqtt.publish(topic.decode(), payload)

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        ends, self._ends = self._ends, []
        for end in ends:
            end()

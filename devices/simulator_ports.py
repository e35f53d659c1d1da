"""Where a simulated device listens: pseudo terminal, TCP, UDP or OSC, an MQTT broker."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tty
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from devices.certificate import server_context
from devices.far_end import FarEnd, Piece
from devices.framing import Framer
from devices.simulated import SimulatedDevice
from devices.transports.link import LinkError
from devices.transports.mqtt import MqttLink
from firmware_profiles.fields import TemplateError
from firmware_profiles.messages import TOPIC_END, TopicTemplate
from firmware_profiles.osc import osc_datagram, osc_text
from firmware_profiles.template import Template
from firmware_profiles.wire import Session


class Port(ABC):
    """One wire of one simulated device."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device

    def notify(self, host: str, port: int) -> None:
        """From now on tell what changes there, by UDP (profiles with `notices`)."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        frame = self.device.profile.frame
        framer = Framer((frame.rx or frame.tx)[:1], frame.tx, frame.encoding, datagram=True)

        def tell(body: bytes) -> None:
            with suppress(OSError):
                sock.sendto(framer.wrap(body), (host, port))

        self.device.listeners.append(tell)

    @abstractmethod
    async def start(self) -> str:
        """Listen; returns the address for people and for `transport`."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening; never raises."""


class _Sender:
    """Sends pieces in order, each after its wait, without blocking the receiver."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]], hang_up: Callable[[], None]):
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._write, self._hang_up = write, hang_up
        self._task = asyncio.create_task(self._run())

    def put(self, pieces: list[Piece], *, closing: bool = False) -> None:
        for piece in pieces:
            self._queue.put_nowait(piece)
        if closing:
            self._queue.put_nowait(None)

    async def _run(self) -> None:
        while (piece := await self._queue.get()) is not None:
            delay, data = piece
            if delay:
                await asyncio.sleep(delay)
            with suppress(OSError, LinkError):
                await self._write(data)
        self._hang_up()

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class TcpPort(Port):
    """Listens on host:port."""

    def __init__(self, device: SimulatedDevice, session: Session, host: str, port: int) -> None:
        super().__init__(device)
        self._session, self._host, self._port = session, host, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        port = self._server.sockets[0].getsockname()[1]
        return f"tcp://{self._host}:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.device.takes_connections():
            writer.close()
            return
        far = FarEnd(self.device, self._session, datagram=False)
        self._writers.add(writer)

        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        sender = _Sender(write, writer.close)
        greeting = far.open(lambda data: sender.put([(0.0, data)]))
        try:
            if self._session.kind == "mdc-tls":
                context = await asyncio.to_thread(server_context)
                await write(b"".join(data for _, data in greeting))
                await writer.start_tls(context)
            else:
                sender.put(greeting)
            while data := await reader.read(4096):
                sender.put(far.received(data), closing=far.closing)
        except OSError:
            pass
        finally:
            far.close()
            await sender.stop()
            self._writers.discard(writer)
            writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)


class UdpPort(Port):
    """Answers datagrams to where they came from."""

    def __init__(
        self,
        device: SimulatedDevice,
        session: Session,
        host: str,
        port: int,
        *,
        osc: bool = False,
    ) -> None:
        super().__init__(device)
        self._session, self._host, self._port, self._osc = session, host, port, osc
        self._transport: asyncio.DatagramTransport | None = None
        self._peers: dict[Any, tuple[FarEnd, _Sender]] = {}

    async def start(self) -> str:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((self._host, self._port))
        port = self

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                port.received(data, addr)

        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(Protocol, sock=sock)
        scheme = "osc" if self._osc else "udp"
        return f"{scheme}://{self._host}:{sock.getsockname()[1]}"

    def received(self, data: bytes, addr: Any) -> None:
        """One datagram from `addr`."""
        text = osc_text(data) if self._osc else data
        if text is None:
            return
        if addr not in self._peers:
            if len(self._peers) >= 64:
                self._peers.pop(next(iter(self._peers)))[0].close()
            far = FarEnd(self.device, self._session, datagram=True)

            async def write(answer: bytes) -> None:
                if self._transport is not None:
                    sent = osc_datagram(answer) if self._osc else answer
                    self._transport.sendto(sent, addr)

            sender = _Sender(write, lambda: None)
            self._peers[addr] = far, sender
            sender.put(far.open(lambda answer: sender.put([(0.0, answer)])))
        far, sender = self._peers[addr]
        sender.put(far.received(text))

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
        for far, sender in self._peers.values():
            far.close()
            await sender.stop()


class PtyPort(Port):
    """A pseudo terminal; `link` becomes a symbolic link to its name."""

    def __init__(self, device: SimulatedDevice, session: Session, link: str) -> None:
        super().__init__(device)
        self._session, self._link = session, Path(link)
        self._master = self._slave = -1
        self._sender: _Sender | None = None
        self._far: FarEnd | None = None

    async def start(self) -> str:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(self._slave))
        self._far = FarEnd(self.device, self._session, datagram=False)
        sender = self._sender = _Sender(self._write, lambda: None)
        sender.put(self._far.open(lambda data: sender.put([(0.0, data)])))
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return f"serial://{self._link}"

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EAGAIN):
                asyncio.get_running_loop().remove_reader(self._master)
            return
        if self._far is not None and self._sender is not None:
            self._sender.put(self._far.received(data))

    async def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
        if self._sender is not None:
            await self._sender.stop()
        self._link.unlink(missing_ok=True)


class MqttPort(Port):
    """A device on an MQTT broker: listens on its command topics, keeps its presence retained."""

    def __init__(
        self,
        device: SimulatedDevice,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        super().__init__(device)
        self._where = f"{host}:{port}"
        will = self._presence(device.common.offline)
        self._mqtt = MqttLink(
            host,
            port,
            username,
            password,
            client_id=f"simulated-{device.profile.name.replace('/', '-')}-{os.getpid()}",
            will=None if will is None else will[:2],
        )
        self._far = FarEnd(device, device.profile.session_for("mqtt"), datagram=True)
        self._sender: _Sender | None = None
        self._retained = [
            template
            for command in device.commands.values()
            for template in (*command.reports, *command.notices)
            if isinstance(template, TopicTemplate) and template.retain
        ]

    def _presence(self, template: Template | None) -> tuple[str, bytes, bool] | None:
        if not isinstance(template, TopicTemplate):
            return None
        topic, _, payload = template.build(self.device.options).partition(TOPIC_END)
        return topic.decode(), payload, template.retain

    async def start(self) -> str:
        sender = self._sender = _Sender(self._publish, lambda: None)
        for topic in sorted(self._topics()):
            self._mqtt.subscribe(topic, self._received)
        await self._mqtt.start()
        if not await self._mqtt.wait_connected(15.0):
            raise OSError(errno.ECONNREFUSED, f"no MQTT broker ({self._mqtt.error})", self._where)
        sender.put(self._far.open(lambda data: sender.put([(0.0, data)])))
        await self._announce()
        self._mqtt.watch(self._reconnected)
        return f"mqtt://{self.device.options.get('topic', '')}"

    def _reconnected(self, connected: bool) -> None:
        if connected:
            asyncio.get_running_loop().create_task(self._announce())

    async def _announce(self) -> None:
        for body in self.device.announcements():
            topic, _, payload = body.partition(TOPIC_END)
            with suppress(LinkError):
                await self._mqtt.publish(topic.decode(), payload, retain=True)

    def _topics(self) -> set[str]:
        """The topics of all set and get messages, `+` where they hold parameters."""
        found = set()
        for command in self.device.commands.values():
            plus = dict.fromkeys(command.spec.params, "+")
            for template in (command.setter, command.getter):
                if isinstance(template, TopicTemplate):
                    with suppress(TemplateError):
                        found.add(template.topic.build({**self.device.options, **plus}).decode())
        return found

    def _received(self, topic: str, payload: bytes) -> None:
        if self._sender is not None:
            self._sender.put(self._far.received(topic.encode() + TOPIC_END + payload))

    async def _publish(self, data: bytes) -> None:
        topic, _, payload = data.partition(TOPIC_END)
        retain = any(t.topic.match(topic) is not None for t in self._retained)
        await self._mqtt.publish(topic.decode(), payload, retain=retain)

    async def stop(self) -> None:
        if (presence := self._presence(self.device.common.offline)) is not None:
            topic, payload, retain = presence
            with suppress(LinkError):
                await self._mqtt.publish(topic, payload, retain=retain)
        self._far.close()
        if self._sender is not None:
            await self._sender.stop()
        await self._mqtt.stop()

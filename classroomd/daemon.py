"""The daemon of one room: makes the parts, wires them together, ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import structlog

from classroomd.announce import announce
from classroomd.places import PlaceError, RoomLock, control_socket, run_dir, secret_key
from classroomd.server import ServerError, WebServer, listen
from controller import backup
from controller.broadcast import Broadcast
from controller.broker import BrokerError, ManagedBroker, MissingError
from controller.broker_logins import Login
from controller.classroom import Classroom
from controller.config import ConfigError, RoomConfig, SecretError, load, resolve_secret
from controller.device_hours import DeviceHours
from controller.doors.mqtt import MqttDoor, will
from controller.doors.osc import OscDoor, OscError
from controller.health import Words
from controller.journal import Journal, JournalError
from controller.logbook import LOGBOOK
from controller.roomfile import RoomFile
from controller.standins import StandIns, played
from controller.tablet_store import TabletStoreError
from controller.tablets import Tablets
from dashboard.app import create_app
from devices.manager import DeviceManager, SpecError
from devices.model import DeviceState
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog, UnknownProfile
from firmware_profiles.loader import ProfileError
from publishing.delivery import DeliveryStatus, DeliveryWorker

log = logging.getLogger(__name__)


class DaemonError(Exception):
    """The room cannot be run. The text says what to do."""


def set_up_logging() -> None:
    """Structured lines on standard error, for the journal of the system."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler, LOGBOOK], force=True)
    for noisy in ("httpx", "httpcore", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Daemon:
    """One room, running. `start` returns when its panel answers; `stop` leaves recorders alone."""

    def __init__(
        self,
        config: RoomConfig,
        *,
        file: Path | None = None,
        restart: Callable[[], None] | None = None,
        trouble: str = "",
    ) -> None:
        self.config = config
        self._file = None
        if file is not None and restart is not None:
            self._file = RoomFile(file, config.storage.state, restart, trouble=trouble)
        self._exits = contextlib.AsyncExitStack()
        self._classroom: Classroom | None = None
        self._server: WebServer | None = None
        self._broken: BrokerError | None = None

    @property
    def classroom(self) -> Classroom:
        """The room itself, once started."""
        assert self._classroom is not None, "the daemon is not started"
        return self._classroom

    @property
    def url(self) -> str:
        """Where the wall panel is."""
        assert self._server is not None, "the daemon is not started"
        return self._server.url

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises DaemonError when the room cannot be run; nothing is left running then."""
        try:
            await self._start()
        except (
            BrokerError,
            JournalError,
            OscError,
            PlaceError,
            ProfileError,
            SecretError,
            SpecError,
            TabletStoreError,
            UnknownProfile,
            ServerError,
        ) as error:
            await self.stop()
            raise DaemonError(str(error)) from error
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        config, keep = self.config, self._exits
        keep.enter_context(RoomLock(config))
        backup.take_up(config.storage.state)
        tcp = listen(config.server.host, config.server.port)
        keep.callback(tcp.close)
        mqtt = await self._connect_broker()
        catalog = Catalog(config.profiles.paths)
        standins = StandIns(config.storage.state)
        recognised = config.storage.state / "devices.json"
        specs = await standins.replace(
            config.devices, catalog, run_dir(config) / "standins", recognised
        )
        keep.push_async_callback(standins.stop)
        sources = standins.sources(config.sources)
        config = config.model_copy(update={"devices": specs, "sources": sources})
        devices = DeviceManager(
            config.devices,
            catalog=catalog,
            on_state=self._device_changed,
            mqtt=mqtt,
            memory=recognised,
            links=standins.links,
        )
        deliveries = DeliveryWorker(
            config.storage.recordings,
            config.publish,
            on_change=self._delivery_changed,
            timezone=ZoneInfo(config.room.timezone),
        )
        self._classroom = Classroom(
            config,
            devices=devices,
            journal=Journal(config.storage.state / "journal.db"),
            run_dir=run_dir(config),
            deliveries=deliveries,
            mqtt=mqtt,
        )
        await self._classroom.start()
        for spec in specs:
            if spec.id in standins.played:
                self._classroom.alarms.set(f"standin.{spec.id}", played(spec), spec.id)
        if (broken := self._broken) is not None:
            text = f"The room runs without MQTT: {broken.text}"
            words = Words("warning", "technician", text, broken.remedy)
            self._classroom.alarms.set("broker", words)
        keep.push_async_callback(self._classroom.stop)
        await devices.start()
        keep.push_async_callback(devices.stop)
        await deliveries.start()
        keep.push_async_callback(deliveries.stop)
        tablets = Tablets(
            config.room.id,
            config.storage.state,
            mqtt=mqtt,
            managed=config.mqtt.mode != "external",
            mark=self._classroom.mark,
            settings=config.tablets,
        )
        await tablets.start(self._classroom)
        keep.push_async_callback(tablets.stop)
        hours = DeviceHours(self._classroom)
        await hours.start()
        keep.push_async_callback(hours.stop)
        key = secret_key(config.storage.state)
        broadcast = Broadcast(self._classroom, config.streaming, run_dir(config), key)
        await broadcast.start()
        keep.push_async_callback(broadcast.stop)
        await self._serve(tcp, tablets, broadcast)
        await self._open_doors(mqtt)
        await announce(config, self.url, keep)

    def _device_changed(self, state: DeviceState) -> None:
        self.classroom.device_changed(state)

    def _delivery_changed(self, status: DeliveryStatus) -> None:
        self.classroom.delivery_changed(status)

    async def _connect_broker(self) -> MqttLink | None:
        mqtt = self.config.mqtt
        if mqtt.mode == "off":
            return None
        if mqtt.mode == "external":
            password = resolve_secret(mqtt.secret) if mqtt.secret else None
            login = mqtt.host, mqtt.port or 1883, mqtt.username, password
        elif (own := await self._own_broker()) is not None:
            login = own
        else:
            return None
        link = MqttLink(
            *login,
            client_id=f"classroomd-{self.config.room.id}",
            tls=mqtt.tls,
            will=will(self.config.room.id),
        )
        await link.start()
        self._exits.push_async_callback(link.stop)
        return link

    async def _own_broker(self) -> tuple[str, int, str | None, str | None] | None:
        """Starts our own Mosquitto; None where it can't be had and nobody insisted on it."""
        mqtt = self.config.mqtt
        broker = ManagedBroker(
            run_dir(self.config),
            state=self.config.storage.state,
            host=mqtt.host,
            port=mqtt.port,
            logins=[
                Login(account.name, resolve_secret(account.secret), account.kind)
                for account in mqtt.accounts
            ],
        )
        self._exits.push_async_callback(broker.stop)
        try:
            return await broker.start()
        except BrokerError as error:
            if mqtt.mode == "managed":
                raise
            log.warning("this room runs without MQTT: %s", error)
            if not isinstance(error, MissingError):
                self._broken = error
            return None

    async def _serve(self, tcp: socket.socket, tablets: Tablets, broadcast: Broadcast) -> None:
        config = self.config
        app = create_app(
            self.classroom,
            auth=config.auth,
            secret_key=secret_key(config.storage.state),
            students=tablets,
            broadcast=broadcast,
            room_file=self._file,
        )
        self._server = WebServer(app, tcp, control_socket(config))
        await self._server.start()
        self._exits.push_async_callback(self._server.stop)

    async def _open_doors(self, mqtt: MqttLink | None) -> None:
        doors: list[OscDoor | MqttDoor] = []
        if self.config.osc.enabled:
            doors.append(OscDoor(self.classroom, self.config.osc))
        if mqtt is not None:
            doors.append(MqttDoor(self.classroom, mqtt))
        for door in doors:
            await door.start()
            self._exits.push_async_callback(door.stop)

    async def stop(self) -> None:
        """Ends what this process runs, newest first. Recorder processes go on."""
        await self._exits.aclose()


async def _until_told(
    config: RoomConfig,
    on_ready: Callable[[Daemon], None] | None,
    file: Path | None,
    trouble: str,
) -> bool:
    """Runs one daemon; True when it is to begin anew with what the file says now."""
    told, again = asyncio.Event(), asyncio.Event()

    def restart() -> None:
        again.set()
        told.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with Daemon(config, file=file, restart=restart, trouble=trouble) as daemon:
        if trouble:
            words = Words(
                "warning",
                "technician",
                f"The room runs with its older configuration: {trouble}",
                "Correct room.toml on the console and apply it again.",
            )
            daemon.classroom.alarms.set("config.refused", words)
        log.info("room %s is ready at %s", config.room.id, daemon.url)
        if on_ready:
            on_ready(daemon)
        await told.wait()
    return again.is_set()


def run_daemon(
    config: RoomConfig,
    on_ready: Callable[[Daemon], None] | None = None,
    *,
    file: Path | None = None,
) -> None:
    """Runs the room until SIGINT or SIGTERM. Raises DaemonError when it cannot be run.

    With its `file` the room can be begun anew from the console. A configuration that does not
    run then gives way to the one that did.
    """
    set_up_logging()
    ran: RoomConfig | None = None
    trouble = ""
    while True:
        try:
            again = asyncio.run(_until_told(config, on_ready, file, trouble))
        except DaemonError as error:
            if ran is None or config is ran:
                raise
            log.warning("the new configuration does not run: %s", error)
            config, trouble = ran, str(error)
            continue
        if not again or file is None:
            return
        log.info("beginning anew with %s", file)
        ran, trouble = config, ""
        try:
            config = load(file)
        except ConfigError as error:
            trouble = str(error)

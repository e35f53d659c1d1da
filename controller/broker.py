"""The room's own MQTT broker: a Mosquitto child with random credentials and tight limits.

It keeps address and credentials in the state folder (0600), so that devices and tablets find it
again after it, the daemon or the machine was restarted. Nobody is let in without a login; a device
login cannot touch the room's own topics.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from controller.broker_logins import Login, acl, has_logins, write_private
from devices.tablets.access import no_logins

_log = structlog.get_logger(__name__)

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
MAX_PACKET = 262_144
STARTED_S = 10.0
TABLETS = "tablets.json"
"""The tablets' logins, which Mosquitto's dynamic security plugin keeps itself."""


class BrokerError(Exception):
    """The broker cannot be started: `text` says why, `remedy` what to do."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(f"{text}. {remedy}" if remedy else text)
        self.text, self.remedy = text, remedy


class MissingError(BrokerError):
    """Mosquitto is not installed; says how it is."""


class ManagedBroker:
    """`start` gives (host, port, username, password) for the daemon; `device` is for devices."""

    def __init__(
        self,
        run_dir: Path,
        *,
        state: Path | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        logins: Iterable[Login] = (),
    ) -> None:
        self.folder = run_dir / "broker"
        self.kept = state / "broker" if state else self.folder
        self.host = host
        self.port = port or 0
        self.restarts = 0
        self.pid: int | None = None
        self.device = Login("device", "")
        self._daemon = Login("classroomd", "", "daemon")
        self._logins = list(logins)
        self._wanted_port = port
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def takes_tablets(self) -> bool:
        """Can tablets be given logins here?"""
        return _plugin() is not None

    async def start(self) -> tuple[str, int, str, str]:
        """Start Mosquitto and wait until it listens. Raises BrokerError."""
        mosquitto, passwd = _program("mosquitto"), _program("mosquitto_passwd")
        self._prepare()
        await self._end_old()
        await self._passwords(passwd)
        for attempt in range(5):
            try:
                await self._launch(mosquitto)
                break
            except BrokerError:
                if self._wanted_port is not None or attempt == 4:
                    raise
                self.port = _free_port(self.host)  # the one kept from last time was taken
        self._keep_login()
        self._task = asyncio.create_task(self._keep(mosquitto), name="broker")
        return self.host, self.port, self._daemon.name, self._daemon.password

    async def stop(self) -> None:
        """End the broker."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._terminate()
        (self.folder / "pid").unlink(missing_ok=True)

    def _prepare(self) -> None:
        """The folder, and the address and passwords of the last time if there was one."""
        try:
            for folder in (self.folder, self.kept):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise BrokerError(
                f"the folder {error.filename} cannot be made ({error.strerror})",
                "Give the daemon a run directory and a state folder that it owns.",
            ) from error
        kept: dict[str, object] = {}
        with suppress(OSError, ValueError):
            kept = json.loads((self.kept / "login.json").read_text("utf-8"))

        def password(name: str) -> str:
            value = kept.get(name)
            return value if isinstance(value, str) else secrets.token_urlsafe(24)

        self._daemon = Login("classroomd", password("classroomd"), "daemon")
        self.device = Login("device", password("device"))
        port = kept.get("port")
        if not self.port:
            self.port = port if isinstance(port, int) else _free_port(self.host)

    def _keep_login(self) -> None:
        kept = {
            "port": self.port,
            self._daemon.name: self._daemon.password,
            self.device.name: self.device.password,
        }
        write_private(self.kept / "login.json", json.dumps(kept))

    async def _passwords(self, passwd: str) -> None:
        """The hashed password file; the plain ones never stand on a command line."""
        logins = [self._daemon, self.device, *self._logins]
        names = [login.name for login in logins]
        if len(set(names)) < len(names):
            raise BrokerError("two [[mqtt.accounts]] share a name", "Rename one of them.")
        if any(":" in login.name or "\n" in login.name + login.password for login in logins):
            raise BrokerError("an account's name has a colon, or its secret has several lines.")
        fresh = self.folder / "passwords.new"
        write_private(fresh, "".join(f"{login.name}:{login.password}\n" for login in logins))
        process = await asyncio.create_subprocess_exec(
            passwd, "-U", str(fresh), stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        if process.returncode:
            raise BrokerError(f"mosquitto_passwd failed: {said.decode(errors='replace').strip()}")
        fresh.chmod(0o600)
        fresh.replace(self.folder / "passwords")
        write_private(self.folder / "acl", acl(logins))
        if not has_logins(self.kept / TABLETS):
            write_private(self.kept / TABLETS, json.dumps(no_logins()))
        write_private(self.folder / "mosquitto.conf", self._configuration())

    def _configuration(self) -> str:
        user = pwd.getpwuid(os.geteuid()).pw_name
        plugin = _plugin()
        return "\n".join(
            [
                f"user {user}",
                "per_listener_settings false",
                "allow_anonymous false",
                f"password_file {self.folder / 'passwords'}",
                f"acl_file {self.folder / 'acl'}",
                "persistence false",
                f"max_packet_size {MAX_PACKET}",
                "max_queued_messages 1000",
                "max_inflight_messages 40",
                "max_keepalive 300",
                # A page turn must not wait for the acknowledgement of what was sent before it.
                "set_tcp_nodelay true",
                "log_dest stderr",
                "log_type error",
                "log_type warning",
                *(
                    (f"plugin {plugin}", f"plugin_opt_config_file {self.kept / TABLETS}")
                    if plugin
                    else ()
                ),
                # Options of a listener come after it: before it they would open port 1883 as well.
                f"listener {self.port} {self.host}",
                "max_connections 1000",
                "",
            ]
        )

    async def _launch(self, mosquitto: str) -> None:
        write_private(self.folder / "mosquitto.conf", self._configuration())
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *_ends_with_us(),
                mosquitto,
                "-c",
                str(self.folder / "mosquitto.conf"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        self.pid = self._process.pid
        write_private(self.folder / "pid", str(self.pid))
        ended = asyncio.create_task(self._process.wait())
        listening = asyncio.create_task(_lets_in(self.host, self.port, self._daemon))
        done, _ = await asyncio.wait(
            {ended, listening}, timeout=STARTED_S, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (ended, listening):
            task.cancel()
        if listening not in done:
            await self._terminate()
            raise BrokerError(
                f"the broker does not start on {self.host}:{self.port}: {self._last_words()}",
                'Choose another [mqtt] port, or use mode = "external".',
            )

    async def _keep(self, mosquitto: str) -> None:
        """Start it again when it dies, on the same port and with the same logins."""
        failures = 0
        while True:
            process = self._process
            if process is not None:
                began = asyncio.get_running_loop().time()
                code = await process.wait()
                _log.warning("broker_ended", code=code, said=self._last_words())
                self.restarts += 1
                lasted = asyncio.get_running_loop().time() - began
                failures = failures + 1 if lasted < 10 else 0
            await asyncio.sleep(min(10.0, 0.1 * 2**failures))
            try:
                await self._launch(mosquitto)
            except (BrokerError, OSError) as error:
                _log.error("broker", error=str(error))
                failures += 1
                self._process = None

    async def _terminate(self) -> None:
        process, self._process, self.pid = self._process, None, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(5.0):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _end_old(self) -> None:
        """End the broker that a killed daemon left behind in this folder."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / "pid").read_text("ascii"))
            handle = os.pidfd_open(pid)
            try:
                if not _runs_with(pid, self.folder / "mosquitto.conf"):
                    return
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                for _ in range(250):
                    if _ended(pid):
                        return
                    await asyncio.sleep(0.02)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.folder / "log").read_text("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1].rstrip(".")
        return "it said nothing"


def lacking() -> BrokerError | None:
    """What this machine lacks for a broker of its own; None for nothing."""
    try:
        for name in ("mosquitto", "mosquitto_passwd"):
            _program(name)
    except MissingError as error:
        return error
    if _plugin() is None:
        return BrokerError(
            "Mosquitto's dynamic security plugin is missing", "Install Mosquitto 2.0 or later."
        )
    return None


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=_SBIN)
    if found is None:
        raise MissingError(
            f"{name} is not installed",
            "Install it (apt install mosquitto), or name an existing broker with"
            ' [mqtt] mode = "external".',
        )
    return found


def _ends_with_us() -> list[str]:
    """What a command begins with that is to end when this process does, however that ends.

    A broker without its daemon would tell devices and tablets that the room is there.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _plugin() -> Path | None:
    """The dynamic security plugin; without it tablets come in over HTTP only."""
    folders = [Path(root) for root in ("/usr/lib", "/usr/local/lib", "/usr/lib64")]
    places = ("", "*/", "mosquitto/")
    found = (
        file
        for folder in folders
        for place in places
        for file in folder.glob(f"{place}mosquitto_dynamic_security.so")
    )
    return next(found, None)


def _free_port(host: str) -> int:
    """A free port that no outgoing connection takes: it must be free after a restart too."""
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError):
        low = 32768
    ports = range(max(1024, low - 12_000), low) or range(10_000, 60_000)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        port = secrets.choice(ports)
        with socket.socket(family, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise BrokerError(f"no free port at {host}", "Name one with [mqtt] port.")


async def _lets_in(host: str, port: int, login: Login) -> None:
    """Returns when the broker there takes this login: it is ours, and not another on the port.

    MQTT 3.1.1, 3.1 CONNECT and 3.2 CONNACK.
    """
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound

    def text(value: str) -> bytes:
        data = value.encode()
        return len(data).to_bytes(2, "big") + data

    said = text("MQTT") + b"\x04\xc2\x00\x05"
    said += text(f"ready-{secrets.token_hex(4)}") + text(login.name) + text(login.password)
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            reader, writer = await asyncio.open_connection(here, port)
            try:
                writer.write(b"\x10" + bytes([len(said)]) + said)
                async with asyncio.timeout(1.0):
                    if await reader.readexactly(4) == b"\x20\x02\x00\x00":
                        writer.write(b"\xe0\x00")
                        return
            finally:
                writer.close()
        await asyncio.sleep(0.02)


def _runs_with(pid: int, argument: Path) -> bool:
    return str(argument).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2][1] == "Z"
    except OSError:
        return True

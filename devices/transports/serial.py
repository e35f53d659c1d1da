"""Serial lines by pyserial: local ports, `socket://` and `rfc2217://`.

pyserial blocks, so a reader thread and a writer thread stand between it and the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import suppress
from typing import Any

import serial

from devices.transports.link import Link, LinkError
from firmware_profiles.wire import SerialTransport

_PARITY = {"N": serial.PARITY_NONE, "E": serial.PARITY_EVEN, "O": serial.PARITY_ODD}
_LONGEST_QUEUE = 256


class SerialLink(Link):
    """`url` is what pyserial opens: a device path, socket://host:port or rfc2217://host:port."""

    def __init__(self, url: str, settings: SerialTransport, *, timeout: float = 10.0) -> None:
        super().__init__()
        self._url, self._settings, self._timeout = url, settings, timeout
        self._port: Any = None
        self._out: queue.Queue[bytes | None] = queue.Queue(_LONGEST_QUEUE)
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return self._url

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Any] = loop.create_future()

        def tell(result: Any, error: str | None) -> None:
            if opened.done():
                if result is not None:
                    threading.Thread(target=_close, args=(result,), daemon=True).start()
            elif error is None:
                opened.set_result(result)
            else:
                opened.set_exception(LinkError(f"{self._url}: {error}", "check the port's name"))

        def work() -> None:
            try:
                result, error = self._open_port(), None
            except Exception as exc:  # pyserial's handlers raise whatever they like
                result, error = None, str(exc) or type(exc).__name__
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, result, error)

        threading.Thread(target=work, name=f"open {self._url}", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                self._port = await opened
        except TimeoutError:
            raise LinkError(f"{self._url} doesn't open", "is the bridge there") from None
        self.lost = None
        self._out = queue.Queue(_LONGEST_QUEUE)
        self._threads = [
            threading.Thread(target=target, args=(loop, self._port, self._out), daemon=True)
            for target in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    def _open_port(self) -> Any:
        bits, parity, stop = tuple(self._settings.format)
        return serial.serial_for_url(
            self._url,
            baudrate=self._settings.baud,
            bytesize=int(bits),
            parity=_PARITY[parity],
            stopbits=int(stop),
            rtscts=self._settings.flow == "rtscts",
            xonxoff=self._settings.flow == "xonxoff",
            timeout=0.2,
            exclusive=True if self._url.startswith("/") else None,
            write_timeout=None if self._url.startswith("rfc2217:") else 5.0,
        )

    def _read(self, loop: asyncio.AbstractEventLoop, port: Any, out: queue.Queue[Any]) -> None:
        with suppress(RuntimeError):
            while port is self._port:
                try:
                    data = port.read(1)
                    if data and (more := port.in_waiting):
                        data += port.read(min(more, 4096))
                except (serial.SerialException, OSError, TypeError, AttributeError) as error:
                    loop.call_soon_threadsafe(self._failed, port, f"port lost ({error})")
                    return
                if data:
                    loop.call_soon_threadsafe(self._heard, port, data)

    def _write(self, loop: asyncio.AbstractEventLoop, port: Any, out: queue.Queue[Any]) -> None:
        while (data := out.get()) is not None:
            try:
                port.write(data)
            except (serial.SerialException, OSError, TypeError, AttributeError) as error:
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._failed, port, f"can't write ({error})")
                break
        _close(port)

    def _heard(self, port: Any, data: bytes) -> None:
        if port is self._port:
            self.on_data(data)

    def _failed(self, port: Any, why: str) -> None:
        if port is self._port:
            self._gone(why)

    async def write(self, data: bytes) -> None:
        if self._port is None or self.lost is not None:
            raise LinkError(self.lost or "not connected")
        try:
            self._out.put_nowait(data)
        except queue.Full:
            self._gone("the port takes nothing more")
            raise LinkError("the port takes nothing more", "check flow control") from None

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        self._port = None
        with suppress(queue.Full):
            self._out.put_nowait(None)
        threads, self._threads = self._threads, []
        for _ in range(50):
            if not any(thread.is_alive() for thread in threads):
                break
            await asyncio.sleep(0.02)


def _close(port: Any) -> None:
    with suppress(serial.SerialException, OSError, TypeError, AttributeError):
        port.close()

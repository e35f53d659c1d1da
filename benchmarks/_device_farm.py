"""32 displays on pseudo terminals and 32 on TCP, in one process; `cut` and `restore` on stdin."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from devices.clock import Clock
from devices.simulated import SimulatedDevice
from devices.simulator_ports import Port, PtyPort, TcpPort
from firmware_profiles.catalog import Catalog

EACH = 32


async def main(folder: Path) -> None:
    """Prints the addresses, then one line per order that was carried out."""
    profile = Catalog().get("samsung/mdc")
    ports: list[Port] = []
    addresses: list[str] = []
    devices = [SimulatedDevice(profile, clock=Clock(1000)) for _ in range(2 * EACH)]
    for number, device in enumerate(devices):
        device.preset("power", "on")
        if number < EACH:
            ports.append(PtyPort(device, profile.session, str(folder / f"display{number}")))
        else:
            ports.append(TcpPort(device, profile.session, "127.0.0.1", 0))
        addresses.append(await ports[-1].start())
    print(json.dumps(addresses), flush=True)
    loop = asyncio.get_running_loop()
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if order == "cut":
            await asyncio.gather(*(port.stop() for port in ports))
        elif order == "restore":
            for number in range(EACH, 2 * EACH):
                port = int(addresses[number].rsplit(":", 1)[1])
                ports[number] = TcpPort(devices[number], profile.session, "127.0.0.1", port)
            for port_ in ports:
                await port_.start()
        print(json.dumps(order), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

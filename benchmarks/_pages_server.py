"""The daemon of a demo room as a process of its own, which tells events at a steady beat.

`python -m benchmarks._pages_server FOLDER`: prints {"port", "pin"}; each line on stdin, a number of
seconds, makes it tell ten events a second for that long, stamped with the steady clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from classroomd.daemon import Daemon
from classroomd.demo import demo_room

RATE = 10


async def main(folder: Path) -> None:
    """Serve until stdin ends."""
    with demo_room(folder, 0) as demo:
        async with Daemon(demo.config) as daemon:
            port = daemon.url.rpartition(":")[2].strip("/")
            print(json.dumps({"port": int(port), "pin": demo.pin}), flush=True)
            loop = asyncio.get_running_loop()
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                for _ in range(round(float(line) * RATE)):
                    daemon.classroom.publish_event("levels", {"stamp": time.monotonic()})
                    await asyncio.sleep(1 / RATE)
                print(json.dumps({"told": True}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

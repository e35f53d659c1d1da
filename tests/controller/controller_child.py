"""A controller in a process of its own, for tests that kill it: `controller_child.py CONFIG RUN`.

Starts a class, says {"recording": …} when it is being recorded, and waits to be killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from controller.classroom import Classroom
from controller.journal import Journal
from controller.settings import RoomConfig
from controller.state import AccessRole, Actor
from devices.manager import DeviceManager
from firmware_profiles.catalog import Catalog


async def main() -> None:
    config = RoomConfig.model_validate_json(Path(sys.argv[1]).read_text("utf-8"))
    devices = DeviceManager([], catalog=Catalog(), on_state=lambda _: None)
    journal = Journal(config.storage.state / "journal.sqlite")
    classroom = Classroom(config, devices=devices, journal=journal, run_dir=Path(sys.argv[2]))
    await classroom.start()
    actor = Actor(name="Ada", role=AccessRole.INSTRUCTOR, door="panel")
    await classroom.start_class(actor, title="Before the crash", minutes=45)
    async with classroom.events.subscribe() as events:
        async for event in events:
            if event.kind == "session" and event.data["recording_state"] == "recording":
                break
    print(json.dumps(event.data), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

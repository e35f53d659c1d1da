"""Delivers one recording in a process of its own, so that a test can kill it."""

import asyncio
import json
import sys
from pathlib import Path

from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig


async def main() -> None:
    folder, config = Path(sys.argv[1]), TargetConfig.model_validate(json.loads(sys.argv[2]))
    await DeliveryWorker(folder.parent, [config]).deliver_once(folder, config.id)


asyncio.run(main())

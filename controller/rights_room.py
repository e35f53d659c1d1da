"""The decisions about recordings, wired to their room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.edits import Edits
from controller.outbox import Outbox
from controller.register import Register
from controller.rights import Rights, submit_due
from controller.settings import RoomConfig


def decisions(
    config: RoomConfig,
    find: Callable[[str], Path],
    outbox: Outbox,
    register: Register,
    changed: Callable[[Path], None],
) -> tuple[Edits, Rights]:
    """Who carries changes out, and who decides on them; `changed(folder)` is told of each."""

    def done(folder: Path) -> None:
        outbox.again(folder)
        submit_due(outbox, folder)

    edits = Edits(config.storage.recordings, register.alarms, changed=changed, done=done)
    return edits, Rights(find, outbox, edits, register.note, changed)

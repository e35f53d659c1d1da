"""What a learning record store must still be told: a durable list, worked off after class."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from controller.tablet_store import TabletStore
from devices.tablets import attendance, lrs
from devices.tablets.question import Question

FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 1800.0
_log = structlog.get_logger(__name__)


class LessonsTold:
    """One empty file per lesson that the store must be told; deleted when the store has it all."""

    def __init__(
        self,
        folder: Path,
        store: TabletStore,
        *,
        endpoint: str,
        user: str,
        secret: Callable[[], str],
        home: str,
        names: bool,
        key: bytes = b"",
    ) -> None:
        self._folder, self._store = folder, store
        self._endpoint, self._user, self._secret = endpoint, user, secret
        self._home, self._names, self._key = home, names, key
        self._some = asyncio.Event()
        self._some.set()

    def add(self, session: str) -> None:
        """A lesson has ended."""
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        (self._folder / f"{session}.json").write_text(json.dumps({"session": session}))
        self._some.set()

    async def run(self) -> None:
        """Tells the store, until cancelled; waits longer after each failure."""
        wait = FIRST_WAIT_S
        while True:
            await self._some.wait()
            self._some.clear()
            if await self._tell_all():
                wait = FIRST_WAIT_S
                continue
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_S)
            self._some.set()

    async def _tell_all(self) -> bool:
        files = await asyncio.to_thread(lambda: sorted(self._folder.glob("*.json")))
        done = True
        for file in files:
            try:
                session = json.loads(await asyncio.to_thread(file.read_text))["session"]
                told = await self.statements(session)
                await lrs.send(self._endpoint, self._user, self._secret(), told)
            except lrs.LrsError as error:
                _log.warning("lrs", session=file.stem, error=str(error))
                if error.again:
                    done = False
                    continue
                with suppress(OSError):
                    await asyncio.to_thread(file.rename, file.with_suffix(".refused"))
            except Exception as error:
                _log.error("lrs", session=file.stem, error=str(error))
                done = False
            else:
                await asyncio.to_thread(file.unlink, missing_ok=True)
        return done

    async def statements(self, session: str) -> list[dict[str, Any]]:
        """The statements about one lesson."""
        asked = await self._store.questions(session)
        return attendance.statements(
            session,
            self._home,
            await self._store.attendance(session),
            await self._store.answers(session),
            {ident: Question.model_validate(body) for ident, body in asked.items()},
            names=self._names,
            secret=self._key,
        )

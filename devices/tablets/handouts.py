"""Files that the lecturer hands out: in one folder, named by content, thrown away by age."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

MAX_BYTES = 50 * 1024 * 1024
KEPT_DAYS = 30.0
_ID = re.compile(r"^[0-9a-f]{16}$")


class HandoutError(Exception):
    """The file cannot be handed out; says why and what to do."""


class Handout(BaseModel):
    """A file to hand out."""

    id: str
    name: str
    bytes: int


class Handouts:
    """The files of a room, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def add(self, name: str, content: AsyncIterator[bytes]) -> Handout:
        """Takes a file as it arrives. Raises HandoutError."""
        await asyncio.to_thread(self.forget_old)
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir(mode=0o750)
            with (fresh / "file").open("wb") as file:
                async for chunk in content:
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise HandoutError(
                            f"The file is larger than {MAX_BYTES >> 20} MB. Hand out a link."
                        )
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            if not size:
                raise HandoutError("The file is empty.")
            plain = re.sub(r"[\x00-\x1f/\\]", "_", name).strip()[:200] or "file"
            # The name is part of what the file is called by: another name is another hand-out.
            digest.update(b"\0" + plain.encode("utf-8", "replace"))
            handout = Handout(id=digest.hexdigest()[:16], name=plain, bytes=size)
            (fresh / "handout.json").write_text(handout.model_dump_json(), "utf-8")
            target = self._folder / handout.id
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
        return handout

    def find(self, ident: str) -> tuple[Handout, Path] | None:
        """A hand-out and its file."""
        folder = self._folder / ident
        if not _ID.match(ident):
            return None
        with suppress(OSError, ValueError):
            body = json.loads((folder / "handout.json").read_text("utf-8"))
            return Handout.model_validate(body), folder / "file"
        return None

    def forget_old(self) -> None:
        """Throws away what is older than KEPT_DAYS."""
        before = time.time() - KEPT_DAYS * 86_400
        for file in self._folder.glob("*/handout.json"):
            with suppress(OSError):
                if file.stat().st_mtime < before:
                    shutil.rmtree(file.parent, ignore_errors=True)

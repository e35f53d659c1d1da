"""A whole room, ended whatever happens."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from whole_room import WholeRoom, flash_and_beep, footage  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real footage, and a flash with a beep every two seconds."""
    folder = tmp_path_factory.mktemp("films")
    return {"footage": footage(folder), "flash": flash_and_beep(folder)}


@pytest.fixture
async def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WholeRoom]:
    """An empty room to furnish; a Unix socket's path is short, so sockets lie elsewhere."""
    with tempfile.TemporaryDirectory(prefix="room-") as sockets:
        monkeypatch.setenv("CLASSROOMD_RUN_DIR", sockets)
        made = WholeRoom(tmp_path)
        yield made
        await made.close()

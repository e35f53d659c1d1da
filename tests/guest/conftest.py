"""Tests that run inside the virtual machine of machine.py, where devices can be pulled out."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_RECORDER = Path(__file__).parents[1] / "recorder" / "conftest.py"
INSIDE = "CLASSROOMD_GUEST" in os.environ


def _recorder_helpers() -> Any:
    name = "classroomd_recorder_helpers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _RECORDER)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        sys.modules[name].PATIENCE = 120.0  # an emulated CPU is slow
    return sys.modules[name]


_helpers = _recorder_helpers()
hold_class, tools = _helpers.hold_class, _helpers.tools


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.guest)
            if not INSIDE:
                item.add_marker(pytest.mark.skip(reason="needs the guest: make guest"))


@pytest.fixture
def plug() -> Callable[[str, bool], None]:
    """Pulls a simulated device out of the guest, or puts it back: `plug("vivid", False)`."""

    def set_it(driver: str, there: bool) -> None:
        folder = Path("/sys/bus/platform/drivers") / driver
        (folder / ("bind" if there else "unbind")).write_text(f"{driver}.0")

    return set_it

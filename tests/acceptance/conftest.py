"""A class, a camera and a clip, as the recorder's own tests have them."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

_RECORDER = Path(__file__).parents[1] / "recorder" / "conftest.py"


def _recorder_helpers() -> Any:
    name = "classroomd_recorder_helpers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _RECORDER)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_helpers = _recorder_helpers()
camera, clip, hold_class, tools = (
    *(_helpers.camera, _helpers.clip, _helpers.hold_class, _helpers.tools),
)

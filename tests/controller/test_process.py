"""The controller process stays light: no codec is ever loaded into it."""

from __future__ import annotations

import subprocess
import sys

from .conftest import REPOSITORY

PROBE = """
import importlib, pkgutil, sys
import controller
for module in pkgutil.walk_packages(controller.__path__, "controller."):
    importlib.import_module(module.name)
print(sorted({"av", "cv2", "numpy"} & set(sys.modules)))
"""


def test_no_codec_in_the_controller() -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"

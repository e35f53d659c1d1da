"""Trying something that may crash or hang, once, in a child that is killed when it takes too long.

Loads only the standard library.
"""

from __future__ import annotations

import subprocess
import sys


def tried(module: str, name: str, seconds: float) -> tuple[bool, str]:
    """Runs `python -m MODULE NAME`: whether it ended with 0, and the last line that it said."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", module, name], capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"it did not answer for {seconds:g} s"
    except OSError as error:
        return False, str(error)
    worked = child.returncode == 0
    said = (child.stdout if worked else child.stderr).decode(errors="replace")
    last = (said.strip().splitlines() or [""])[-1]
    return worked, last or f"its process ended with status {child.returncode}"

"""Starting a process that outlives this one: as a systemd unit of its own, or in its own session.

Loads only the standard library.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

PATIENCE = 5.0


async def start(
    name: str, command: Sequence[str], logfile: Path, environment: Mapping[str, str]
) -> int:
    """Starts the command and returns its pid at once. What it says is appended to `logfile`.

    It gets a transient unit `classroomd-recorder-NAME-…` where this process is a unit itself, and
    a session where it is not or where systemd does not let us. Raises OSError.
    """
    pid = None
    if has_systemd():
        unit = f"classroomd-recorder-{name}-{time.time_ns() // 1_000_000}.service"
        pid = await asyncio.to_thread(_start_unit, unit, command, logfile, environment)
    return pid or _start_session(command, logfile, environment)


def has_systemd() -> bool:
    """Whether this process is a systemd unit that may start others beside it."""
    return (
        "INVOCATION_ID" in os.environ
        and Path("/run/systemd/system").is_dir()
        and shutil.which("systemd-run") is not None
    )


def unit_command(
    unit: str, command: Sequence[str], logfile: Path, environment: Mapping[str, str]
) -> list[str]:
    """What starts the command as a unit. Values of the environment stay off the command line."""
    return [
        *("systemd-run", "--quiet", "--collect", f"--unit={unit}"),
        f"--property=StandardOutput=append:{logfile}",
        f"--property=StandardError=append:{logfile}",
        f"--property=User={os.getuid()}",
        f"--working-directory={Path.cwd()}",
        *(f"--setenv={name}" for name in environment),
        *command,
    ]


def _start_unit(
    unit: str, command: Sequence[str], logfile: Path, environment: Mapping[str, str]
) -> int | None:
    """Starts a transient unit; None when systemd does not let us."""
    started = unit_command(unit, command, logfile, environment)
    show = ["systemctl", "show", "--property=MainPID", "--value", unit]
    try:
        subprocess.run(
            started, env=dict(environment), check=True, capture_output=True, timeout=PATIENCE
        )
        shown = subprocess.run(show, check=True, capture_output=True, timeout=PATIENCE)
        return int(shown.stdout) or None
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        log.warning("no unit of its own for the recorder (%s); it gets a session", error)
        return None


def _start_session(command: Sequence[str], logfile: Path, environment: Mapping[str, str]) -> int:
    output = os.open(logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,
        )
    finally:
        os.close(output)
    # asyncio's own subprocess would kill it when the loop closes; this only collects its status.
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
    return process.pid

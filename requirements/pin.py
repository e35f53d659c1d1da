"""Pins requirements: names, versions and hashes, no hosts. Run by `make pin`.

`run.txt` is what classroomd needs, `dev.txt` what its tests need on top, `build.txt` what
building the wheel needs.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
# What aioshelly brings for Bluetooth, under the GPL; the tests talk to it over HTTP alone.
LEFT_OUT = ("habluetooth", "bluetooth-auto-recovery", "pyric")
PROJECT = HERE.parent / "pyproject.toml"


def pin(name: str, requirements: list[str], constraints: Path | None = None) -> Path:
    """Resolves `requirements` into HERE/name; versions in `constraints` stand."""
    out = HERE / name
    command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "-", "-o", str(out)]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for package in LEFT_OUT:
        command += ["--no-emit-package", package]
    if constraints:
        command += ["-c", str(constraints)]
    subprocess.run(command, input="\n".join(requirements), text=True, check=True)
    return out


def main() -> None:
    """Writes the three files; `run.txt` constrains the others so that versions agree."""
    project = tomllib.loads(PROJECT.read_text())
    run = project["project"]["dependencies"]
    dev = project["dependency-groups"]["dev"]
    pinned = pin("run.txt", run)
    pinned_dev = pin("dev.txt", run + dev, pinned)
    pin("build.txt", project["build-system"]["requires"] + ["editables"], pinned_dev)


if __name__ == "__main__":
    main()

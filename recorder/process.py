"""The recorder process: `python -m recorder.process FOLDER --run-dir DIR`.

Makes sure that it is the recording's only writer, starts the sources' children before anything
slow is loaded, and runs the recorder. With `--spare SOCKET --keeper PID` instead of a folder it
loads everything first and waits to be given one (`recorder.spare`). Exit status: 0 finished (or
told to leave the class to a successor), 1 the recording failed, 2 nothing to record here, 3 another
process is writing it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from recorder import lock, shared
from recorder.sources import fed
from recorder.sources.open import Address, SourceError, child_modules, parse

log = logging.getLogger("recorder")

LOG = "recorder.log"


def start_children(folder: Path, spawn: fed.Spawn = fed.spawn) -> dict[str, fed.Child]:
    """Starts the capturing and generating children, which take longest to deliver.

    Reads the manifest without validating it: what is wrong there is said a moment later.
    """
    started: dict[str, fed.Child] = {}
    try:
        manifest = json.loads((folder / "recording.json").read_bytes())
        if manifest["life"] != "recording":
            return {}
        markers = folder / "markers.jsonl"
        if markers.exists() and b'"kind":"end"' in markers.read_bytes():
            return {}
        for source in manifest["sources"]:
            address = parse(source["url"], source.get("channel") or ())
            if address.child is not None:
                started[source["id"]] = spawn(address, source["id"], source["role"])
    except (SourceError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        log.warning("not every source is started ahead of time: %s", error)
    return started


def main() -> int:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description="Records one class into its folder.")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--no-program", action="store_true", help="make only the tracks")
    parser.add_argument("--spare", type=Path, help="wait at this socket for a folder")
    parser.add_argument("--keeper", type=int, help="the process for which the spare waits")
    parser.add_argument("--ready-for", action="append", default=[], help="a kind of source")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    order = spawn = None
    if options.spare is not None:
        from recorder import warm

        warm.load(child_modules(options.ready_for))
        if (order := warm.wait(options.spare, options.keeper)) is None:
            return 0
        options.folder, options.no_program = order.folder, not order.program
        spawn = _fork
    elif options.folder is None:
        parser.error("a folder is needed")
    try:
        held = lock.take(options.folder)
        if order is not None:
            warm.log_to(options.folder / LOG)
            order.accept()
    except (lock.LockedError, OSError) as error:
        locked = isinstance(error, lock.LockedError)
        text = str(error) if locked else f"{options.folder}: no recording can be made here: {error}"
        log.error("%s", text)  # noqa: TRY400
        if order is not None:
            order.refuse(text)
        return 3 if locked else 2
    os.environ[shared.RUN_DIR] = str(options.run_dir)
    children = start_children(options.folder, spawn or fed.spawn)
    try:
        return _record(options, children)
    finally:
        for process in children.values():
            process.kill()
        os.close(held)


def _fork(address: Address, source: str, role: str) -> fed.Child:
    """As `fed.spawn`, from what a spare has loaded already."""
    from recorder import warm

    assert address.child is not None
    return warm.fork(address.child, [address.url, "--id", source, "--role", role])


def _record(options: argparse.Namespace, children: dict[str, fed.Child]) -> int:
    import asyncio

    from recorder import heap
    from recorder.recorder import Recorder
    from recorder.recording import Life, Recording, RecordingError

    try:
        recording = Recording.open(options.folder)
        manifest = recording.manifest
    except RecordingError as error:
        log.error("%s", error)  # noqa: TRY400
        return 2
    if manifest.life is not Life.RECORDING:
        log.error("%s is %s; nothing more is recorded into it", options.folder.name, manifest.life)
        return 2
    heap.keep_small()
    program = not options.no_program
    recorder = Recorder(recording, manifest, options.run_dir, children=children, program=program)
    return asyncio.run(recorder.run())


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stderr.flush()
    # Sources may still hang in a read; their threads end with the process, whatever they do.
    os._exit(status)

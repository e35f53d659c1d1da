"""The recorder process: `python -m recorder.process FOLDER --run-dir DIR`.

Makes sure that it is the recording's only writer, starts the sources' children before anything
slow is loaded, and runs the recorder. Exit status: 0 finished (or told to leave the class to a
successor), 1 the recording failed, 2 nothing to record here, 3 another process is writing it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from recorder import lock
from recorder.sources import fed
from recorder.sources.open import SourceError, parse

log = logging.getLogger("recorder")


def start_children(folder: Path) -> dict[str, subprocess.Popen[bytes]]:
    """Starts the capturing and generating children, which take longest to deliver.

    Reads the manifest without validating it: what is wrong there is said a moment later.
    """
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        manifest = json.loads((folder / "recording.json").read_bytes())
        if manifest["life"] != "recording":
            return {}
        markers = folder / "markers.jsonl"
        if markers.exists() and b'"kind":"end"' in markers.read_bytes():
            return {}
        for source in manifest["sources"]:
            address = parse(source["url"])
            if address.child is not None:
                started[source["id"]] = fed.spawn(address, source["id"], source["role"])
    except (SourceError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        log.warning("not every source is started ahead of time: %s", error)
    return started


def main() -> int:
    """Entry of the process."""
    parser = argparse.ArgumentParser(description="Records one class into its folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--no-program", action="store_true", help="make only the tracks")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        held = lock.take(options.folder)
    except lock.LockedError as error:
        log.error("%s", error)  # noqa: TRY400
        return 3
    except OSError as error:
        log.error("%s: no recording can be made here: %s", options.folder, error.strerror)  # noqa: TRY400
        return 2
    children = start_children(options.folder)
    try:
        return _record(options, children)
    finally:
        for process in children.values():
            process.kill()
        os.close(held)


def _record(options: argparse.Namespace, children: dict[str, subprocess.Popen[bytes]]) -> int:
    import asyncio

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
    program = not options.no_program
    recorder = Recorder(recording, manifest, options.run_dir, children=children, program=program)
    return asyncio.run(recorder.run())


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stderr.flush()
    # Sources may still hang in a read; their threads end with the process, whatever they do.
    os._exit(status)

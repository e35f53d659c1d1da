"""`python -m recorder.production FOLDER [--only STEP] [--json]`: the steps after class.

The controller starts it with low priority when a class is over. Each step goes on where it was
when it is started again, so it may be ended at any time.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import av

from recorder.production import process, steps
from recorder.production.settings import Settings
from recorder.production.workforce import ENGINES
from recorder.recording import Recording, RecordingError


def _settings(options: argparse.Namespace) -> Settings:
    if options.settings:
        return Settings.read(json.load(sys.stdin))
    return Settings(
        tuple(options.language),
        options.captions,
        options.layout,
        options.rebuild,
        options.engine,
    )


def main() -> int:
    """0 when every step is done or up to date, 1 when one failed, 2 for a wrong call."""
    parser = process.arguments("python -m recorder.production", __doc__)
    parser.add_argument("--only", choices=steps.NAMES, help="one step")
    parser.add_argument("--language", action="append", default=[], help="a language of the room")
    parser.add_argument("--captions", type=Path, help="the folder of the speech model")
    parser.add_argument("--rebuild", action="store_true", help="the lecture from the tracks alone")
    parser.add_argument("--layout", help="another layout than in class, with --rebuild")
    parser.add_argument(
        "--engine", choices=ENGINES, default="local", help="whose workers render, read and caption"
    )
    options = parser.parse_args()
    process.begin(options)

    def say(event: str, text: str, **data: Any) -> None:
        line = json.dumps({"event": event, **data}) if options.json else text
        if line:
            print(line, flush=True)

    try:
        recording = Recording.open(options.folder)
        results = steps.run(
            recording,
            options.only,
            lambda step, done, total: say("progress", "", step=step, done=done, total=total),
            _settings(options),
        )
    except (RecordingError, OSError, ValueError, av.error.FFmpegError) as error:
        say("error", str(error), detail=str(error))
        return 1
    for result in results:
        files = [str(path.relative_to(recording.folder)) for path in result.files]
        told = f"{result.step}: {result.outcome}, {len(files)} files"
        say("step", told, step=result.step, outcome=result.outcome, files=files,
            notices=result.notices)  # fmt: skip
        for notice in [] if options.json else result.notices:
            print(f"  {notice}")
    say("finished", "", lecture=str(recording.lecture.relative_to(recording.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

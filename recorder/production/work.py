"""Work that any process may do: a span to render, a slide to read, a lecture to caption.

A job is a name and plain values; its result is plain values too, and files in the recording
folder that appear by rename. So a job may be begun again anywhere after its worker was lost, and
two workers at the same job make the same file. `Workers` spread jobs; `local` does it over
processes of this machine, `cluster` over a Ray cluster.

`python -m recorder.production.work` is a worker: one job a line in, one result a line out.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from recorder.recording import RecordingError

# What a job of each kind runs: a function of the folder and the job's arguments.
KINDS = {
    "render": "recorder.production.render:perform",
    "read": "recorder.production.slides:perform",
    "caption": "recorder.production.captions:perform",
}

Result = dict[str, Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """One piece of work. `args` hold what JSON holds; `gpu`: faster with one where there is any."""

    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    gpu: bool = False


class WorkError(RecordingError):
    """A job failed by itself, not for the loss of its worker: trying again would not help."""


class Workers(Protocol):
    """Does jobs, each exactly as often as needed to have its result."""

    def map(
        self, folder: Path, jobs: Sequence[Job], progress: Progress = lambda done, of: None
    ) -> list[Result]:
        """The results in the order of the jobs. Raises WorkError when one cannot be done."""
        ...


def perform(folder: Path, job: Job) -> Result:
    """Does one job here. Raises WorkError for a job of an unknown kind, and what the job raises."""
    if job.kind not in KINDS:
        raise WorkError(f"there is no work of the kind {job.kind!r}")
    if not folder.is_dir():
        raise WorkError(
            f"{folder} is not there on {os.uname().nodename}: workers on other machines need the "
            "recordings folder mounted at the same path"
        )
    module, _, name = KINDS[job.kind].partition(":")
    function = getattr(importlib.import_module(module), name)
    result: Result = function(folder, **job.args)
    return result


class Inline:
    """Does the jobs one after the other in this process."""

    def map(
        self, folder: Path, jobs: Sequence[Job], progress: Progress = lambda done, of: None
    ) -> list[Result]:
        """See Workers."""
        results = []
        for job in jobs:
            results.append(perform(folder, job))
            progress(len(results), len(jobs))
        return results


def dump(folder: Path, job: Job) -> bytes:
    """A job as the line that a worker reads."""
    return json.dumps({"folder": str(folder), **asdict(job)}).encode() + b"\n"


def main() -> int:
    """Entry of a worker: reads jobs until its input ends."""
    with contextlib.suppress(ImportError):
        importlib.import_module("cv2").setNumThreads(1)
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no result
    for line in sys.stdin.buffer:
        told = json.loads(line)
        try:
            job = Job(told["kind"], told["args"], told["gpu"])
            answer: dict[str, Any] = {"result": perform(Path(told["folder"]), job)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        results.write(json.dumps(answer).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

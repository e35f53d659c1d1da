"""Workers on this machine: as many processes as there are cores, one job at a time each."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from recorder.production.work import Inline, Job, Progress, Result, WorkError, dump

_TRIES = 3


class Local:
    """Processes of this machine. One that is lost is replaced, and its job done again."""

    def __init__(self, count: int | None = None) -> None:
        """`count` of None: one process for each core that this process may use."""
        self.count = count or len(os.sched_getaffinity(0))

    def map(
        self, folder: Path, jobs: Sequence[Job], progress: Progress = lambda done, of: None
    ) -> list[Result]:
        """See Workers."""
        count = min(self.count, len(jobs))
        if count <= 1:
            return Inline().map(folder, jobs, progress)
        return _Round(folder, jobs, progress).run(count)


class _Round:
    """One call of `map`: threads that each keep one worker busy."""

    def __init__(self, folder: Path, jobs: Sequence[Job], progress: Progress) -> None:
        self._folder, self._jobs, self._progress = folder, jobs, progress
        self._results: list[Result | None] = [None] * len(jobs)
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._done = 0
        self._failed: list[Exception] = []
        self._children: set[subprocess.Popen[bytes]] = set()
        for number in range(len(jobs)):
            self._waiting.put(number)

    def run(self, count: int) -> list[Result]:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:  # interrupted: workers end when their input does, or at once
            for child in list(self._children):
                child.kill()
        if self._failed:
            raise self._failed[0]
        return [result for result in self._results if result is not None]

    def _work(self) -> None:
        child = None
        try:
            while not self._failed:
                try:
                    number = self._waiting.get_nowait()
                except queue.Empty:
                    break
                child, result = self._do(child, self._jobs[number])
                with self._lock:
                    self._results[number] = result
                    self._done += 1
                    self._progress(self._done, len(self._jobs))
        except Exception as error:
            self._failed.append(error)
        finally:
            if child is not None:
                self._end(child)

    def _do(
        self, child: subprocess.Popen[bytes] | None, job: Job
    ) -> tuple[subprocess.Popen[bytes], Result]:
        status: int | None = None
        for _ in range(_TRIES):
            if child is None:
                child = self._start()
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                child.stdin.write(dump(self._folder, job))
                child.stdin.flush()
                line = child.stdout.readline()
            except BrokenPipeError:
                line = b""
            if line.endswith(b"\n"):
                answer = json.loads(line)
                if "error" in answer:
                    raise WorkError(f"{self._folder.name}: {job.kind}: {answer['error']}")
                return child, answer["result"]
            self._end(child)
            status, child = child.returncode, None
        raise WorkError(
            f"{self._folder.name}: {job.kind}: {_TRIES} workers were lost at this job "
            f"(the last with status {status}); see whether memory is short"
        )

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "recorder.production.work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._children.add(child)
        return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.wait()
        self._children.discard(child)

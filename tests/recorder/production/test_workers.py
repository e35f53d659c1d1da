"""Work spread over processes: the same lecture whoever makes it, whichever of them are lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.production import timeline as finishing
from recorder.production.finish import finish
from recorder.production.local import Local
from recorder.production.work import Inline, Job, WorkError, Workers
from recorder.production.workforce import workers
from recorder.program import PARTS
from recorder.recording import Recording

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra [cluster])"
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, build: Any) -> Recording:
    made: Recording = build(tmp_path_factory.mktemp("rooms"), pause=(5.0, 7.0))
    return made


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "_CHUNK_S", 2.5)


@pytest.fixture(scope="module")
def alone(recording: Recording) -> bytes:
    """The lecture as one process makes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(finishing, "_CHUNK_S", 2.5)
        return lecture(recording, Inline())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Workers]:
    """Ray on this machine, with two workers."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield workers("ray")
    ray.shutdown()


def lecture(recording: Recording, using: Workers) -> bytes:
    made = finish(recording, rebuild=True, using=using)
    assert len(made.rendered) > 4
    assert made.duration == pytest.approx(12, abs=0.1)
    return recording.lecture.read_bytes()


def kill_one(recording: Recording) -> tuple[threading.Thread, list[int]]:
    """Kills, once, the worker that is seen in the middle of a span; it names itself in the file."""
    killed: list[int] = []
    parts = recording.products / PARTS

    def watch() -> None:
        for _ in range(60_000):
            for path in parts.glob("fill-*.part"):
                pid = int(path.suffixes[-2].rpartition("-")[2])
                if pid != os.getpid() and path.stat().st_size:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return
            threading.Event().wait(0.001)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread, killed


def test_several_processes_make_the_same_file(recording: Recording, alone: bytes) -> None:
    assert lecture(recording, Local(2)) == alone


def test_a_process_lost_in_the_middle_changes_nothing(recording: Recording, alone: bytes) -> None:
    thread, killed = kill_one(recording)
    made = lecture(recording, Local(2))
    thread.join()
    assert killed
    assert made == alone
    assert not list((recording.products / PARTS).glob("fill-*"))


@needs_ray
def test_a_cluster_makes_the_same_file_though_a_worker_is_killed(
    recording: Recording, alone: bytes, cluster: Workers
) -> None:
    thread, killed = kill_one(recording)
    made = lecture(recording, cluster)
    thread.join()
    assert killed
    assert made == alone


@needs_ray
def test_what_fails_on_the_cluster_says_where_and_why(
    recording: Recording, tmp_path: Path, cluster: Workers
) -> None:
    with pytest.raises(WorkError, match="no work of the kind 'bake'"):
        cluster.map(recording.folder, [Job("bake")])
    with pytest.raises(WorkError, match="mounted at the same path"):
        cluster.map(tmp_path / "elsewhere", [Job("read", {"pictures": [], "languages": []})])


def test_a_job_that_fails_ends_the_round_with_its_reason(recording: Recording) -> None:
    good = Job("read", {"pictures": [], "languages": []})
    bad = Job("render", {"begin": 0.0, "end": 1.0, "path": "no/where.mp4", "layout": None})
    with pytest.raises(WorkError, match=r"render: .*No such file"):
        Local(2).map(recording.folder, [good, bad])


def test_a_job_that_kills_every_worker_is_given_up(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(WorkError, match="3 workers were lost"):
        Local(2).map(recording.folder, [Job("read"), Job("read")])


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(WorkError, match="use local or ray"):
        workers("steam")

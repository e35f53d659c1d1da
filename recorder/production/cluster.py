"""Workers on a Ray cluster: jobs of many rooms on the machines that a campus has for them.

Every machine has classroomd installed and the recordings folder mounted at the same path. A job
takes one core, and a GPU where it says that it is faster with one and the cluster has any. Ray
itself runs a job again whose worker or machine was lost.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recorder.production.work import Job, Progress, Result, WorkError, perform

_RETRIES = 20  # machines that are turned off at night count as lost workers
_GPU_SHARE = 0.5


def _do(folder: str, job: Job) -> Result:
    """What a worker of the cluster runs."""
    os.nice(max(0, 15 - os.nice(0)))
    importlib.import_module("cv2").setNumThreads(1)
    return perform(Path(folder), job)


class Cluster:
    """Ray's workers. Connects at the first jobs, and stays connected."""

    def __init__(self, address: str | None = None) -> None:
        """Raises WorkError where Ray is not installed."""
        if importlib.util.find_spec("ray") is None:
            raise WorkError('production on a cluster needs Ray: pip install "classroomd[cluster]"')
        self._address = address
        self._ray: Any = importlib.import_module("ray")

    def _connect(self) -> Any:
        ray = self._ray
        if not ray.is_initialized():
            try:
                ray.init(
                    address=self._address,
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                    _system_config=None,
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise WorkError(f"the Ray cluster cannot be reached: {error}") from error
        return ray

    def map(
        self, folder: Path, jobs: Sequence[Job], progress: Progress = lambda done, of: None
    ) -> list[Result]:
        """See Workers."""
        if not jobs:
            return []
        ray = self._connect()
        gpus = float(ray.cluster_resources().get("GPU", 0.0))
        task = ray.remote(_do)
        tasks = [
            task.options(
                name=f"{job.kind} {folder.name}",
                num_cpus=1,
                num_gpus=_GPU_SHARE if job.gpu and gpus else 0,
                max_retries=_RETRIES,
                retry_exceptions=False,
            ).remote(str(folder.resolve()), job)
            for job in jobs
        ]
        waiting = list(tasks)
        try:
            while waiting:
                done, waiting = ray.wait(waiting, num_returns=1)
                ray.get(done)
                progress(len(tasks) - len(waiting), len(tasks))
            results: list[Result] = ray.get(tasks)
        except ray.exceptions.RayTaskError as error:
            raise WorkError(f"{folder.name}: {error.cause or error}") from error
        except ray.exceptions.RayError as error:
            raise WorkError(f"{folder.name}: the Ray cluster lost the work: {error}") from error
        finally:
            for left in waiting:
                ray.cancel(left, force=True)
        return results

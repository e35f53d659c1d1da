"""Which workers production has: `[production] engine` names them."""

from __future__ import annotations

from recorder.production.local import Local
from recorder.production.work import WorkError, Workers

ENGINES = ("local", "ray")


def workers(engine: str = "local", address: str | None = None) -> Workers:
    """The workers of `engine`: processes of this machine (`local`), or a Ray cluster (`ray`).

    `address` is the cluster's; without one RAY_ADDRESS names it, and without that Ray runs on
    this machine alone. Raises WorkError for another engine, or where Ray is not installed.
    """
    if engine == "local":
        return Local()
    if engine == "ray":
        from recorder.production.cluster import Cluster

        return Cluster(address)
    raise WorkError(f"there is no production engine {engine!r}; use {' or '.join(ENGINES)}")

"""Each fault many times at random moments: the seconds that it cost, by fault and track.

`CLASSROOMD_FAULTS` says how often (10 by default), `CLASSROOMD_SEED` repeats a run. "Before" is
what had happened before the fault and is not in the track; "gap" is the time until the track went
on, which for a camera that is off or frozen is the time that it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TIMES = 10


def run() -> dict[str, float | None]:
    """The median and the most that each fault cost, in seconds of what had happened before it."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        told = {"CLASSROOMD_FAULTS": str(TIMES), "CLASSROOMD_FAULTS_JSON": str(figures)}
        failed = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--timeout=3600", "tests/faults"],
            env={**told, **os.environ},
            check=False,
        ).returncode
        rows = json.loads(figures.read_text()) if figures.exists() else []
    found: dict[str, float | None] = {"failed": float(failed != 0)}
    for row in rows:
        name = f"{row['fault']} {row['track']}".replace(" ", "_").replace(":", "_")
        found[f"{name}_median_s"] = round(row["before"][1], 3)
        found[f"{name}_most_s"] = round(row["before"][2], 3)
        found[f"{name}_gap_median_s"] = round(row["gap"][1], 3)
    worst = [row["before"][2] for row in rows]
    found["worst_s"] = round(max(worst), 3) if worst else None
    return found

"""Stands for production in tests: does as `script` in its recording folder says, and keeps count.

A line is `hang`, `fail TEXT`, `die` or `done`; each start takes the next one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from recorder import production_state

folder = Path(sys.argv[1])
settings = json.load(sys.stdin)
script = (folder / "script").read_text().splitlines()
starts = folder / "starts"
count = len(starts.read_text().splitlines()) if starts.exists() else 0
with starts.open("a") as file:
    file.write(json.dumps({"pid": os.getpid(), "settings": settings}) + "\n")
production_state.change(folder, state="working", step="analyse")
print(json.dumps({"event": "progress", "step": "analyse", "done": 1, "total": 4}), flush=True)
order = script[min(count, len(script) - 1)]
if order == "hang":
    while True:
        (folder / "beat").write_text(str(time.monotonic()))
        time.sleep(0.02)
if order == "die":
    print("Killed by nobody", file=sys.stderr)
    os._exit(9)
if order.startswith("fail"):
    known = production_state.load(folder)
    assert known is not None
    detail = order.removeprefix("fail ")
    production_state.change(folder, state="failed", detail=detail, tries=known.tries + 1)
    print(json.dumps({"event": "error", "detail": detail}), flush=True)
    sys.exit(1)
production_state.change(
    folder, state="done", step="", detail="", tries=0, next_try=None, notices=["no captions"]
)

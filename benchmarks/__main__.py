"""`python -m benchmarks [NAME…]`: runs benchmarks; the last line is one JSON object of figures.

A benchmark is a module here with `run() -> dict[str, float | None]`. A figure called
`…_ratio` is a ratio to a floor or peer of the same run; the others say what it was made of.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import benchmarks


def names() -> list[str]:
    """Every benchmark."""
    return sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")


def main(wanted: list[str]) -> int:
    """Runs the benchmarks called `wanted`, or all; returns the exit code."""
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(names())}")
        return 2
    figures: dict[str, float | None] = {}
    for name in wanted or names():
        print(f"== {name}", flush=True)
        for key, value in importlib.import_module(f"benchmarks.{name}").run().items():
            figures[f"{name}.{key}"] = value
            print(f"   {key}: {value}", flush=True)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

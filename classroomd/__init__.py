"""The gate: the command line, the daemon's wiring and the demo room."""

__version__ = "0.1.0"

"""How long one command may take, and how often it is tried."""

from __future__ import annotations

from firmware_profiles.compiled import CompiledCommand
from firmware_profiles.schema import Timing


def timeout_of(command: CompiledCommand, timing: Timing) -> float:
    """Seconds to wait for one answer."""
    return command.spec.timeout_s or timing.timeout_s


def attempts_of(command: CompiledCommand, timing: Timing) -> int:
    """How often it may be sent: what isn't idempotent only once."""
    if not command.spec.idempotent:
        return 1
    own = command.spec.retries
    return (own if own is not None else timing.retries) + 1


def patience_of(command: CompiledCommand, timing: Timing) -> float:
    """Seconds that a caller waits for the outcome, unless it says otherwise."""
    return min(60.0, max(5.0, timeout_of(command, timing) * attempts_of(command, timing) + 2.0))

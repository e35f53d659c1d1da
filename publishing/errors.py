"""What went wrong with a delivery, and what is to be done about it."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """What a delivery does about an error.

    `retry`: the fault passes by itself (network, 5xx, 429). `wait`: everything arrived and the
    platform is still working on it. `absent`: the target does not have it, or has it damaged: send.
    `blocked`: a person must do something (secret, quota, permission); asked again now and then.
    `permanent`: cannot succeed as it is (too large, refused content).
    """

    RETRY = "retry"
    WAIT = "wait"
    ABSENT = "absent"
    BLOCKED = "blocked"
    PERMANENT = "permanent"


class TargetError(Exception):
    """A delivery did not go on. `remedy` says what the administrator must do, "" if nothing.

    `retry_after`: seconds the target asked to wait before the next try.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        remedy: str = "",
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.retry_after = retry_after


class HeldBackError(TargetError):
    """A person does not let this recording out; nothing is wrong, and nothing is tried again.

    The delivery waits until it is released.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(ErrorKind.BLOCKED, message, remedy)

"""How far production of a recording has come: one small file that outlives every process.

Production itself writes that it works, is done or has failed; whoever starts it by itself (the
controller) writes that it waits, and whether the recording was handed to its targets. Without
the file nobody has asked for production. It loads no codec.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from recorder.recording import PRODUCTS, make_durably, write_durably

FILE = Path(PRODUCTS) / "parts" / "production.json"


def _now() -> datetime:
    return datetime.now(UTC)


class ProductionState(BaseModel):
    """`tries` counts attempts that failed since the last success; `next_try` is when to go on.

    `step` is the one at work; `detail` says why the last try failed, `notices` what could not be
    made here. `handed_over`: the recording's deliveries have been asked for; `sent_first`: before
    the room's own production made the lecture what it is now, by nobody's hand.
    """

    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    since: datetime = Field(default_factory=_now)
    changed: datetime = Field(default_factory=_now)
    step: str = ""
    tries: int = 0
    next_try: datetime | None = None
    detail: str = ""
    notices: list[str] = Field(default_factory=list)
    handed_over: bool = False
    sent_first: bool = False


def load(folder: Path) -> ProductionState | None:
    """The state of the recording in `folder`; None when there is none, or it is damaged."""
    try:
        return ProductionState.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def store(folder: Path, state: ProductionState) -> ProductionState:
    """Replaces the state. Raises OSError."""
    state = state.model_copy(update={"changed": _now()})
    path = folder / FILE
    make_durably(path.parent)
    write_durably(path, state.model_dump_json(indent=1).encode())
    return state


def change(folder: Path, **fields: object) -> ProductionState:
    """Changes some fields of the state, beginning with a fresh one, and returns it."""
    state = load(folder) or ProductionState()
    return store(folder, state.model_copy(update=fields))

"""Where media comes from, one module per kind of address.

`open` reads source addresses and opens what FFmpeg can read; `stream` copies such a stream,
`fed` takes the feed of a child that captures or generates and encodes (`capture`,
`generate`). Both hand their samples to a `Sink`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # capture and generation start before anything that is slow to load
    from recorder.media import MediaStream, Sample

# `waiting`: nothing is wrong, there is just nothing to see now (nobody shares a screen).
SourceState = Literal["opening", "waiting", "running", "lost", "failed", "ended"]


class Sink(Protocol):
    """What a source needs of its track. Called from the source's own thread."""

    def begin(self, streams: Sequence[MediaStream]) -> None:
        """The source (re)opened or changed its parameters; samples of these streams follow."""

    def sample(self, sample: Sample) -> None:
        """One packet in class time, in the order of decoding."""

    def changed(self, state: SourceState, detail: str = "") -> None:
        """The source's state changed; `detail` is a sentence for a person."""


class Source(Protocol):
    """A running source: it reconnects by itself until it is stopped."""

    ended: bool

    def start(self) -> None: ...

    def retry(self) -> None:
        """Tries at once instead of waiting for the next attempt."""

    def stop(self) -> None:
        """Asks it to end; does not wait."""

    def check(self) -> None:
        """Called once a second: looks whether it still works."""

    def measured(self) -> dict[str, float]:
        """Drift and offset of its clock, for the manifest."""

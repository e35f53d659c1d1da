"""The substream of a camera: its small picture, which only the program and the watcher see."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.feeds import Feeds
from recorder.media import MediaStream, Sample
from recorder.sources import SourceState


class SubstreamSink:
    """A `Sink` that writes nothing: the main stream is the track."""

    def __init__(self, source: str, feeds: Feeds) -> None:
        self._name = f"{source}/sub"
        self._feeds = feeds
        self._video: set[int] = set()

    def begin(self, streams: Sequence[MediaStream]) -> None:
        self._video = {place for place, stream in enumerate(streams) if stream.media == "video"}
        self._feeds.begin(self._name, streams)

    def sample(self, sample: Sample) -> None:
        if sample.stream in self._video:
            self._feeds.sample(self._name, sample)

    def changed(self, state: SourceState, detail: str = "") -> None:
        if state in ("lost", "failed", "ended"):
            self._feeds.lost(self._name)

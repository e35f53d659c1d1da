"""The feeds: what the program and watch children get of every track.

Keeps the current group of pictures of every video stream in memory, so that a child that starts
late or again, and a class that resumes, has a picture at once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from recorder import feed
from recorder.children import FeedChild
from recorder.media import MediaStream, Sample
from recorder.recording import SourceSpec
from recorder.sources.open import CHOOSING

GROUP_BYTES = 48 * 1024 * 1024
WATCH_EVERY = 950_000
WATCH_TICK = 90_000


def heard(source: SourceSpec) -> tuple[int, ...]:
    """The channels of the track that are heard; a captured one holds no others."""
    child = source.url.partition(":")[0] in CHOOSING
    return () if child else source.channel


def shown_first(source: SourceSpec) -> bool:
    """Whether a source stands before others of its role: it comes from a browser, and somebody
    chose to show that screen or to hear that voice."""
    return source.url.startswith("webrtc:")


@dataclass(slots=True)
class _Lane:
    """One elementary stream on its way to the children."""

    info: feed.StreamInfo
    video: bool
    group: list[feed.FeedPacket] = field(default_factory=list)
    group_bytes: int = 0
    watched: int = -WATCH_EVERY

    def keep(self, packet: feed.FeedPacket) -> None:
        if packet.key:
            self.group, self.group_bytes = [packet], len(packet.data)
        elif self.group:
            self.group.append(packet)
            self.group_bytes += len(packet.data)
            if self.group_bytes > GROUP_BYTES:
                self.group, self.group_bytes = [], 0

    def preroll(self) -> list[bytes]:
        return [feed.encode(replace(packet, preroll=True)) for packet in self.group]


class Feeds:
    """Distributes samples; safe to call from every source's thread.

    The main stream of a source is called by the source's id, its substream by `ID/sub`. While
    the substream runs, the program and the watcher get its picture and not the main one.
    """

    def __init__(self, sources: Sequence[SourceSpec]) -> None:
        self._roles = {source.id: str(source.role) for source in sources}
        self._followed = {source.id for source in sources if source.follow}
        self._heard = {source.id: heard(source) for source in sources}
        self._first = {source.id for source in sources if shown_first(source)}
        self._lock = threading.RLock()
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._substreams: set[str] = set()
        self._next = 0
        self._program: FeedChild | None = None
        self._watch: FeedChild | None = None
        self._paused = False
        self._watch_told = 0
        self._layout = ""

    def begin(self, source: str, streams: Sequence[MediaStream]) -> None:
        """Announces the streams of a source that opened or changed."""
        owner, _, sub = source.partition("/")
        with self._lock:
            if not sub:
                self._drop(source, len(streams))
            for place, stream in enumerate(streams):
                if sub and stream.media != "video":
                    continue
                info = feed.StreamInfo(
                    self._next,
                    owner,
                    self._roles[owner],
                    stream.media,
                    stream.codec,
                    stream.extradata.hex(),
                    stream.width,
                    stream.height,
                    stream.fps,
                    stream.rate,
                    stream.channels,
                    owner in self._first,
                    pick=self._heard[owner] if stream.media == "audio" else (),
                )
                known = self._lanes.get((source, place))
                if known is not None and replace(info, index=known.info.index) == known.info:
                    info = known.info
                else:
                    self._next += 1
                self._lanes[source, place] = _Lane(info, stream.media == "video")
                if not sub:
                    self._announce(info)

    def _drop(self, source: str, count: int) -> None:
        for key in [key for key in self._lanes if key[0] == source and key[1] >= count]:
            del self._lanes[key]

    def _announce(self, info: feed.StreamInfo) -> None:
        message = feed.encode(info)
        for child in (self._program, self._watch):
            if child is not None:
                child.put(message)

    def lost(self, source: str) -> None:
        """The source is gone: its pictures are old."""
        owner, _, sub = source.partition("/")
        with self._lock:
            for (name, _), lane in self._lanes.items():
                if name == source:
                    lane.group = []
            if sub and owner in self._substreams:
                self._substreams.discard(owner)
                self._show(owner)

    def _show(self, source: str) -> None:
        """Makes the program take this stream's picture from here on."""
        for (name, _), lane in self._lanes.items():
            if name == source and lane.video:
                self._announce(lane.info)
                if self._program is not None and not self._paused:
                    self._program.put(*lane.preroll())

    def sample(self, source: str, sample: Sample) -> None:
        lane = self._lanes.get((source, sample.stream))
        if lane is None:
            return
        packet = feed.FeedPacket(
            lane.info.index, sample.pts, sample.dts, sample.duration, sample.data, sample.key
        )
        owner, _, sub = source.partition("/")
        with self._lock:
            if lane.video:
                lane.keep(packet)
                if sub and owner not in self._substreams and packet.key:
                    self._substreams.add(owner)
                    self._announce(lane.info)
                if not sub and owner in self._substreams:
                    return
            if self._paused:
                # Its level only: somebody may speak and believe that it is recorded.
                if self._watch is not None and not lane.video:
                    self._watch.put(feed.encode(packet))
                return
            message = feed.encode(packet)
            if self._program is not None:
                self._program.put(message)
            if self._watch is not None and self._watched(lane, packet):
                self._watch.put(message)

    def _watched(self, lane: _Lane, packet: feed.FeedPacket) -> bool:
        if not lane.video:
            return True
        if lane.info.source in self._followed:
            return True  # a moving picture is needed
        if not packet.key or packet.dts - lane.watched < WATCH_EVERY:
            return False
        lane.watched = packet.dts
        return True

    def attach(self, program: FeedChild, t: float) -> None:
        """Feeds a new program child, beginning with what it needs to have a picture at once."""
        with self._lock:
            self._program = program
            program.put(*(feed.encode(info) for info in self._shown()))
            if self._layout:
                program.put(_command("layout", t, layout=self._layout))
            if self._paused:
                program.put(_command("pause", t))
            else:
                self._send_groups(program)

    def attach_watch(self, watch: FeedChild, t: float) -> None:
        with self._lock:
            self._watch = watch
            watch.put(*(feed.encode(info) for info in self._shown()))
            if self._paused:
                watch.put(_command("pause", t))
            for lane in self._lanes.values():
                lane.watched = -WATCH_EVERY

    def detach(self, child: FeedChild) -> None:
        with self._lock:
            if self._program is child:
                self._program = None
            if self._watch is child:
                self._watch = None

    def _shown(self) -> list[feed.StreamInfo]:
        """The streams in the order that lets a running substream take over from the main one."""
        lanes = sorted(self._lanes.items(), key=lambda item: "/" in item[0][0])
        return [
            lane.info
            for (name, _), lane in lanes
            if "/" not in name or name.partition("/")[0] in self._substreams
        ]

    def _send_groups(self, program: FeedChild) -> None:
        for (name, _), lane in self._lanes.items():
            owner, _, sub = name.partition("/")
            if lane.video and bool(sub) == (owner in self._substreams):
                program.put(*lane.preroll())

    def layout(self, layout: str, t: float) -> None:
        with self._lock:
            self._layout = layout
            self._command("layout", t, layout=layout)

    def pause(self, t: float) -> None:
        with self._lock:
            self._paused = True
            self._command("pause", t)

    def resume(self, t: float) -> None:
        with self._lock:
            self._paused = False
            if self._program is not None:
                self._send_groups(self._program)
            self._command("resume", t)

    def command(self, name: str, t: float, **arguments: object) -> None:
        """Tells the children: hold, release, finish, mark."""
        with self._lock:
            self._command(name, t, **arguments)

    def _command(self, name: str, t: float, **arguments: object) -> None:
        message = _command(name, t, **arguments)
        for child in (self._program, self._watch):
            if child is not None:
                child.put(message)
                child.flush()

    def tick(self, now: int) -> None:
        """Tells the children how far class time (microseconds) has come, and wakes them.

        The watcher is woken ten times a second at most: each time costs more than what it does.
        """
        message = feed.encode(feed.Tick(now))
        with self._lock:
            if self._program is not None:
                self._program.put(message)
                self._program.flush()
            if self._watch is not None and not 0 <= now - self._watch_told < WATCH_TICK:
                self._watch_told = now
                self._watch.put(message)
                self._watch.flush()


def _command(name: str, t: float, **arguments: object) -> bytes:
    return feed.encode(feed.Command(name, {"t": t, **arguments}))

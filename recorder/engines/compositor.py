"""The compositor: makes the lecture's picture on one persistent canvas, touching what changed.

One for every engine: where streams are decoded (`decoders`) and where the canvas lies (`spaces`)
is chosen from outside, and both fall back to memory without losing a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from av.video.frame import VideoFrame

from recorder import layouts
from recorder.engines.canvas import Canvas
from recorder.engines.framing import Framing, crop
from recorder.engines.pages import PageTurns
from recorder.engines.picture import VideoTrack, full_range, planes_of
from recorder.engines.spaces import Space
from recorder.feed import FeedPacket, StreamInfo
from recorder.layouts import Box, Part, Place

FADE_US = 400_000
_STRIDE = 8
_STALE_US = 700_000  # of a source's two streams the one that stopped gives way so soon
_ROLES: dict[Part, tuple[str, ...]] = {
    "slides": ("slides",),
    "presenter": ("presenter", "audience"),
}


@dataclass(frozen=True)
class Composed:
    """One composed picture. `changed`: differs from the one before; `turn`: begins a new page.

    `filmed` is the class time (µs) of the newest picture in it, when one is new: of the presenter
    (`moving`), else of the slides.
    """

    frame: VideoFrame
    changed: bool
    turn: bool
    filmed: int | None = None
    moving: bool = False


class _Shown:
    """What was last drawn in a place: which track, which of its frames, and where."""

    def __init__(self, track: VideoTrack, lost: bool) -> None:
        self.track = track
        self.lost = lost
        self.drawn: VideoFrame | None = None
        self.box: Box | None = None


class Compositor:
    """Feeds on announced streams and packets; `compose` gives the picture at a class time (µs)."""

    def __init__(
        self,
        width: int,
        height: int,
        layout: str,
        device: str | None = None,
        space: Space | None = None,
    ) -> None:
        self.width, self.height, self.layout = width, height, layout
        self._device = device  # that decodes, see `decoders`; None for software
        self.pages = PageTurns()
        self.hurry = False
        self._visible_from: int | None = None
        self._tracks: dict[int, VideoTrack] = {}
        self.canvas = Canvas(width, height, space)
        self._fade_from: int | None = None
        self._places: tuple[Place, ...] = ()
        self._shown: dict[Part, _Shown] = {}
        self.framing: Mapping[str, Framing] = {}

    def add(self, info: StreamInfo) -> None:
        """Announces a stream; an index announced again starts anew (a source came back)."""
        old = self._tracks.get(info.index)
        track = VideoTrack(info, self._device)
        if self._visible_from is not None:
            track.resume(self._visible_from)
        if old is not None:
            track.last_seen, track.frame = old.last_seen, old.frame
            for shown in self._shown.values():
                if shown.track is old:
                    shown.track = track
        self._tracks[info.index] = track

    def push(self, packet: FeedPacket) -> None:
        """Takes a packet of an announced stream."""
        self._tracks[packet.index].push(packet)

    def set_layout(self, layout: str, t: int) -> None:
        """Changes the layout at class time `t`, with a short crossfade."""
        if layout != self.layout:
            self._start_fade(t)
            self.layout = layout

    def resume(self, t: int) -> None:
        """Nothing that was filmed before `t` and not shown yet is ever shown."""
        self._visible_from = t
        for track in self._tracks.values():
            track.resume(t)

    def compose(self, t: int, *, flush: bool = False) -> Composed:
        """Composes the picture at `t`. Its frame is valid until the next call."""
        chosen = self._choose(t)
        available = frozenset(chosen) or frozenset(self._shown)
        places = layouts.arrange(self.layout, self.width, self.height, available)
        dirty = places != self._places
        if dirty:
            self._places = places
            self.canvas.wipe()
            self._shown = {}
        self._want(chosen, places)
        changed, turn = dirty, False
        filmed, moving = None, False
        for place in places:
            track = chosen.get(place.part)
            if track is None:
                if dirty:
                    self.canvas.card(place.box)
                continue
            shown = track.frame
            drawn, turned = self._draw(place, track, t, changed, flush)
            changed = changed or drawn
            turn = turn or turned
            if drawn and track.frame is not None and track.frame is not shown:
                filmed, moving = track.frame.pts, place.part == "presenter"
        slides = chosen.get("slides")
        hidden = slides is not None and all(place.part != "slides" for place in places)
        if slides is not None and hidden and slides.advance(t, flush=flush) and slides.frame:
            self.pages.look(t, planes_of(slides.frame)[0])
        self.pages.settle(t)
        composed = self._fade(t, changed, turn)
        return replace(composed, filmed=filmed, moving=moving)

    def _choose(self, t: int) -> dict[Part, VideoTrack]:
        """The track for each part: one that lives, and a shared screen, stands before others."""
        chosen: dict[Part, VideoTrack] = {}
        for part, roles in _ROLES.items():
            candidates = [
                track
                for role in roles
                for track in self._tracks.values()
                if track.info.role == role
                and (track.last_seen is not None or track.frame)
                # What somebody no longer shares leaves its room to others.
                and not (track.info.first and track.lost(t))
            ]
            if not candidates:
                continue
            living = [track for track in candidates if not track.lost(t)]
            living.sort(key=lambda track: not track.info.first)
            source = (living or candidates)[0].info.source
            same = [track for track in living or candidates if track.info.source == source]
            newest = max(track.last_seen or 0 for track in same)
            fresh = [track for track in same if (track.last_seen or 0) >= newest - _STALE_US]
            chosen[part] = self._sized(part, fresh)
        return chosen

    def _sized(self, part: Part, tracks: list[VideoTrack]) -> VideoTrack:
        """Of one source's streams the smallest that is large enough for its place."""
        needed = next((place.box.width for place in self._places if place.part == part), self.width)
        if any(track.info.source in self.framing for track in tracks):
            needed *= 2  # only a part of it is shown
        tracks = sorted(tracks, key=lambda track: track.info.width)
        return next((track for track in tracks if track.info.width >= needed), tracks[-1])

    def _want(self, chosen: dict[Part, VideoTrack], places: tuple[Place, ...]) -> None:
        wanted = {id(chosen[place.part]): place for place in places if place.part in chosen}
        slides = chosen.get("slides")
        for track in self._tracks.values():
            place = wanted.get(id(track))
            track.wanted = place is not None or track is slides  # slides: for the page turns
            track.hurry = self.hurry and track.info.role != "slides"
            if place is not None:
                track.coarse = track.info.width >= 2 * place.box.width

    def _draw(
        self, place: Place, track: VideoTrack, t: int, below: bool, flush: bool
    ) -> tuple[bool, bool]:
        """Brings one place up to date: (whether anything was drawn, whether a page was turned)."""
        new = track.advance(t, flush=flush)
        lost = track.lost(t)
        shown = self._shown.get(place.part)
        if shown is None or shown.track is not track or shown.lost != lost:
            shown = self._shown[place.part] = _Shown(track, lost)
        if track.frame is None or lost:
            if below or (shown.drawn is None and shown.box is None):
                self.canvas.card(place.box)
                shown.box = place.box
                return True, False
            return False, False
        turn = False
        if new and place.part == "slides":
            if shown.drawn is not None and _same(shown.drawn, track.frame):
                new = False
            else:
                turn = self.pages.look(t, planes_of(track.frame)[0])
        if not (new or below or shown.drawn is None):
            return False, False
        box = layouts.fit(place.box, track.frame.width, track.frame.height)
        if box not in (shown.box, place.box):
            self.canvas.clear(place.box)
        picture = planes_of(track.frame)
        if framing := self.framing.get(track.info.source):
            picture = crop(picture, framing.at(t, picture[0]))
        self.canvas.put(place.box, picture, full_range=full_range(track.frame))
        shown.drawn, shown.box = track.frame, box
        return True, turn

    def _start_fade(self, t: int) -> None:
        self.canvas.keep()
        self._fade_from = t

    def _fade(self, t: int, changed: bool, turn: bool) -> Composed:
        if self._fade_from is None:
            return Composed(self.canvas.frame(), changed, turn)
        amount = (t - self._fade_from) / FADE_US
        if amount >= 1:
            self._fade_from = None
            self.canvas.forget()
            return Composed(self.canvas.frame(), True, True)
        return Composed(self.canvas.faded(max(0.0, amount)), True, False)


def _same(one: VideoFrame, other: VideoFrame) -> bool:
    """Whether two frames show the same picture; most differing ones are told by a few samples."""
    if one is other:
        return True
    if (one.width, one.height) != (other.width, other.height):
        return False
    first, second = planes_of(one), planes_of(other)
    if not np.array_equal(first[0][::_STRIDE, ::_STRIDE], second[0][::_STRIDE, ::_STRIDE]):
        return False
    return all(cv2.norm(a, b, cv2.NORM_INF) == 0 for a, b in zip(first, second, strict=True))

"""Where the presenter is in a camera's picture while the class runs, a few times a second."""

from __future__ import annotations

from recorder import feed
from recorder.engines.picture import VideoTrack, planes_of
from recorder.engines.tracking import Person, Tracker

_TELL_US = 200_000


class Presence:
    """Follows one video stream. Raises ValueError for a stream that cannot be decoded."""

    def __init__(self, info: feed.StreamInfo) -> None:
        self.info = info
        self._tracker = Tracker(moves=True)
        self._track = VideoTrack(info)
        self._track.wanted = self._track.coarse = True
        self._told = 0

    def push(self, packet: feed.FeedPacket) -> Person | None:
        """Takes a packet; the presenter, when it is time to tell where they are."""
        self._track.push(packet)
        if not self._track.advance(packet.pts) or self._track.frame is None:
            return None
        if not self._tracker.due(packet.pts):
            return None
        person = self._tracker.look(packet.pts, planes_of(self._track.frame)[0])
        if person is None or packet.pts - self._told < _TELL_US:
            return None
        self._told = packet.pts
        return person

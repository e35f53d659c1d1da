"""The recorder's health in a room in memory."""

from __future__ import annotations

from typing import Any

from controller.recorder_health import EncoderView, RecordingHealth, SourceHealth


class PretendHealth:
    """What the recorder of a pretended room says: it does well while a class is on."""

    def __init__(self, room: Any) -> None:
        self._room = room

    def view(self) -> RecordingHealth:
        on = self._room.session is not None and self._room.session.ended is None
        sources = [
            SourceHealth(
                id="front", drift_ppm=12.4, offset_ms=40.0, latency_ms=85.0, bytes=3 << 26
            ),
            SourceHealth(id="slides", drift_ppm=-3.1, resets=1, gaps=1, bytes=1 << 25),
            SourceHealth(id="lectern", bytes=1 << 22),
        ]
        if not on:
            return RecordingHealth(sources=sources)
        return RecordingHealth(
            recording="r1",
            state="recording",
            program="running",
            disk_seconds_left=41_000,
            encoder=EncoderView(
                name="libx264",
                part=1,
                wanted_fps=30,
                fps=29.9,
                frames=5400,
                skipped=2,
                behind_s=0.21,
                queue_bytes=180_000,
                hand_overs=1,
            ),
            sources=sources,
        )

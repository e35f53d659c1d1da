"""The child that holds the voice of one who asks from elsewhere:
`python -m streaming.talk_child SOCKET [OUTPUT]`.

Orders (`streaming.ordered`): `speak{voice,sdp}` (answered with `sdp`), `mute{voice,muted}`,
`close{voice}`. Tells `voice{voice,state}` (`heard` or `gone`) and `output{detail}` ("" when the
room hears it). Opus goes to the recorder (`recorder.shared`, on SOCKET) as it comes, and is decoded
for OUTPUT (`streaming.loudspeaker`). Who is muted is neither heard nor recorded. Ends with its
standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import av
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from streaming import rtc
from streaming.loudspeaker import Loudspeaker
from streaming.obeying import Obedient, say
from streaming.recorders import Recorders
from streaming.rtc import AUDIO_CLOCK, Encoded

JOIN_S = 15.0
GONE_S = 5.0
LOOK_S = 1.0
_JUMP_US, _STEP_US = 2_000_000, 10_000


class Times:
    """When a piece was said, by its RTP clock: networks deliver late, never early."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def of(self, piece: Encoded) -> int:
        """Microseconds of CLOCK_BOOTTIME."""
        said = piece.stamp * 1_000_000 / AUDIO_CLOCK
        late = piece.arrived - said
        known = self._offset
        if known is None or late - known > _JUMP_US:
            self._offset = late
        elif late < known:
            self._offset = max(late, known - _STEP_US)
        else:
            self._offset = known + (late - known) / 500  # the two clocks drift
        return round(said + self._offset)


class Voice:
    """One who speaks: a connection that we receive sound from."""

    def __init__(self, id_: str, desk: Desk) -> None:
        self.id, self._desk = id_, desk
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.muted = self.connected = False
        self.heard = asyncio.get_running_loop().time()
        self._times = Times()
        self._tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", self._track)
        self.pc.on("connectionstatechange", self._changed)

    async def answer(self, offer: str) -> str:
        """Answers; raises ValueError for an offer of anything but one microphone."""
        if offer.count("\nm=") != 1 or "\nm=audio" not in offer or "opus/48000" not in offer:
            raise ValueError("only the sound of one microphone is taken, as Opus")
        return await rtc.answer(self.pc, offer)

    def _track(self, track: Any) -> None:
        for transceiver in self.pc.getTransceivers():
            if transceiver.receiver.track is track:
                rtc.take_promptly(transceiver.receiver)
        self._tasks.append(asyncio.create_task(self._take(track)))

    def _changed(self) -> None:
        if self.pc.connectionState in rtc.OVER:
            self._desk.gone(self)

    async def _take(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                piece: Encoded = await track.recv()
                self.heard = asyncio.get_running_loop().time()
                if not self.connected:
                    self.connected = True
                    say(event="voice", voice=self.id, state="heard")
                self._desk.passed(self, dataclasses.replace(piece, arrived=self._times.of(piece)))
        self._desk.gone(self)

    def vanished(self, now: float) -> bool:
        """Whether it never came, or has fallen silent: a browser sends silence too."""
        return now - self.heard > (GONE_S if self.connected else JOIN_S)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.pc.close()


class Desk(Obedient):
    """Who speaks, those who record it, and the room's loudspeaker."""

    def __init__(self, output: str | None = None) -> None:
        super().__init__()
        self.voices: dict[str, Voice] = {}
        self.recorders = Recorders()
        loop = asyncio.get_running_loop()

        def tell(detail: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(lambda: say(event="output", detail=detail))

        self.loudspeaker = None if output is None else Loudspeaker(output, tell)

    def passed(self, voice: Voice, piece: Encoded) -> None:
        """A piece of sound on its way into room and recording."""
        if voice.muted or self.voices.get(voice.id) is not voice:
            return
        self.recorders.put(piece)
        if self.loudspeaker is not None:
            self.loudspeaker.put(piece.data)

    def gone(self, voice: Voice, *, told: bool = True) -> None:
        """Lets one go."""
        if self.voices.get(voice.id) is voice:
            del self.voices[voice.id]
            self.recorders.nothing()
            if told:
                say(event="voice", voice=voice.id, state="gone")
            self.later(voice.close())

    async def watch_over(self) -> None:
        """Once a second: who has vanished; and that nothing is said now."""
        while True:
            await asyncio.sleep(LOOK_S)
            now = asyncio.get_running_loop().time()
            for voice in list(self.voices.values()):
                if voice.vanished(now):
                    self.gone(voice)
            if all(one.muted or not one.connected for one in self.voices.values()):
                self.recorders.nothing()

    async def take(self, order: dict[str, Any]) -> dict[str, Any]:
        voice = self.voices.get(order["voice"])
        match order["do"]:
            case "speak":
                if voice is not None:  # it begins anew, on a new connection
                    self.gone(voice, told=False)
                made = self.voices[order["voice"]] = Voice(order["voice"], self)
                made.muted = bool(order.get("muted"))
                try:
                    return {"sdp": await made.answer(order["sdp"])}
                except BaseException:
                    self.gone(made)  # and with it the one that it should have replaced
                    raise
            case "mute" if voice is not None:
                voice.muted = bool(order["muted"])
                if voice.muted:
                    self.recorders.nothing()
            case "close" if voice is not None:
                self.gone(voice)
        return {}


async def main(path: Path, output: str | None) -> None:
    """Runs until standard input closes."""
    av.logging.set_level(av.logging.PANIC)
    rtc.leave_encoded()
    desk = Desk(output)
    await desk.recorders.serve(path)
    watching = asyncio.create_task(desk.watch_over())
    await desk.obey()
    watching.cancel()
    desk.recorders.close()
    if desk.loudspeaker is not None:
        desk.loudspeaker.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
    os._exit(0)  # a connection that hangs must not hold up the end

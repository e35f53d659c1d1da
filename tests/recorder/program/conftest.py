"""A class as a feed: generated once per test run, small, with a flash and a beep in step."""

from __future__ import annotations

import dataclasses
import functools
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from recorder import feed
from recorder.engines.lecture import Program
from recorder.production.replay import interleave
from recorder.recording import ProgramSpec
from recorder.sources import generate

S = 1_000_000
SPEC = ProgramSpec(width=640, height=360, fps=25)
SOURCES = (
    ("test:presenter?size=320x180&fps=25", "camera", "presenter"),
    ("test:slides?size=640x360&fps=25&page=7", "laptop", "slides"),
    ("test:speech", "desk", "microphone"),
)


@functools.cache
def source_clip(number: int, seconds: int) -> tuple[feed.StreamInfo, tuple[feed.FeedPacket, ...]]:
    url, source, role = SOURCES[number]
    info, packets = generate.clip(url, source, role, number, 0, seconds * S)
    return info, tuple(packets)


def class_feed(
    seconds: int,
    commands: Sequence[tuple[float, str, dict[str, object]]] = (),
    sources: Iterable[int] = (0, 1, 2),
    begin: float = 0,
) -> list[feed.Message]:
    """The messages of a class. A command (t, name, args) is sent right after the tick of `t`."""
    clips = [source_clip(number, seconds) for number in sources]
    streams: list[list[feed.StreamInfo | feed.FeedPacket]] = [[i, *p] for i, p in clips]
    waiting = sorted(commands, key=lambda command: command[0])
    messages: list[feed.Message] = []
    for message in interleave(streams, round(begin * S), seconds * S):
        messages.append(message)
        while waiting and isinstance(message, feed.Tick) and message.now >= waiting[0][0] * S:
            t, name, args = waiting.pop(0)
            messages.append(feed.Command(name, {"t": t, **args}))
    messages += [feed.Command(name, {"t": t, **args}) for t, name, args in waiting]
    return messages


def without_span(messages: Iterable[feed.Message], begin: float, end: float) -> list[feed.Message]:
    """What the recorder sends when paused: nothing, then the last group of pictures as preroll."""
    kept: list[feed.Message] = []
    preroll: dict[int, list[feed.FeedPacket]] = {}
    for message in messages:
        inside = isinstance(message, feed.FeedPacket) and begin * S <= message.pts < end * S
        if isinstance(message, feed.FeedPacket) and inside:
            if message.key:
                preroll[message.index] = []
            preroll.setdefault(message.index, []).append(dataclasses.replace(message, preroll=True))
            continue
        if isinstance(message, feed.Command) and message.name == "resume":
            kept += [packet for index in (0, 1) for packet in preroll.get(index, [])]
        kept.append(message)
    return kept


def make(path: Path, messages: Iterable[feed.Message], **options: object) -> Program:
    layout = str(options.pop("layout", "slides+presenter"))
    spec = options.pop("spec", SPEC)
    start = options.pop("start", 0)
    assert isinstance(spec, ProgramSpec) and isinstance(start, int)
    program = Program(path, spec, layout, start, **options)  # type: ignore[arg-type]
    for message in messages:
        program.take(message)
    return program


def as_bytes(messages: Iterable[feed.Message]) -> bytes:
    out = io.BytesIO()
    for message in messages:
        out.write(feed.encode(message))
    return out.getvalue()


class ClassKit:
    """What the tests of this folder share."""

    S = S
    SPEC = SPEC
    feed = staticmethod(class_feed)
    without = staticmethod(without_span)
    make = staticmethod(make)
    bytes = staticmethod(as_bytes)
    clip = staticmethod(source_clip)
    SOURCES = SOURCES


@pytest.fixture(scope="session")
def kit() -> type[ClassKit]:
    return ClassKit


@pytest.fixture(scope="session")
def lecture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary class of eleven seconds with a layout change at 5 s."""
    path = tmp_path_factory.mktemp("lecture") / "lecture.mp4"
    commands: list[tuple[float, str, dict[str, object]]] = [
        (5.0, "layout", {"layout": "presenter"}),
        (11.0, "finish", {}),
    ]
    make(path, class_feed(11, commands))
    return path


Maker = Callable[..., Program]

"""During class: slides are found and read, and name the chapters of the lecture at its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.production import slides, steps, text
from recorder.production.finish import finish
from recorder.production.follow import SlideFollower, follow
from recorder.production.settings import Settings
from recorder.recording import Life, Recording


class Reads(text.Reader):
    """Gives each picture that it is shown a title of its own."""

    name = "reads"

    def __init__(self) -> None:
        self.asked = 0

    def read(self, picture: Any) -> list[text.Line]:
        self.asked += 1
        return [text.Line(f"Title {self.asked}", (0.1, 0.1, 0.4, 0.08), 0.9)]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reads:
    one = Reads()
    monkeypatch.setattr(text, "readers", lambda languages: [one])
    return one


def understood(recording: Recording) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((recording.live / "slides.json").read_text())["slides"]
    return found


def test_slides_are_read_in_class_and_name_the_chapters(
    tmp_path: Path, build: Any, reader: Reads
) -> None:
    recording: Recording = build(tmp_path, pause=(5.0, 7.0))
    following = SlideFollower(recording, ["en"])
    assert not following.step(2.0)
    for until in (4.6, 6.0, 9.0, 11.5, 13.9, 21.0):
        while following.step(until):
            pass
    shown = understood(recording)
    assert [one["class_time"] for one in shown] == pytest.approx([0, 4, 8, 12], abs=0.3)
    assert [one["time"] for one in shown] == pytest.approx([0, 4, 6, 10], abs=0.3)
    assert [one["title"] for one in shown[:3]] == ["Title 1", "Title 2", "Title 3"]
    finish(recording)
    with av.open(str(recording.lecture)) as container:
        told = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert told == ["Title 1", "Resumed", "Title 4"]  # those between stood too shortly
    asked = reader.asked
    steps.run(recording, only="analyse", settings=Settings(("en",)))
    assert [slide.title for slide in slides.known(recording)][:3] == [
        "Title 1",
        "Title 2",
        "Title 3",
    ]
    assert reader.asked <= asked + 1  # only the slide that the class ended with


def test_it_follows_until_the_class_is_over(tmp_path: Path, build: Any, reader: Reads) -> None:
    recording: Recording = build(tmp_path)
    recording.update(boottime=recording.manifest.boottime - 60)  # it began a minute ago
    said: list[tuple[str, dict[str, Any]]] = []

    def wait(seconds: float) -> None:
        recording.update(life=Life.READY)

    follow(recording, Settings(), lambda event, **data: said.append((event, data)), wait)
    assert len(understood(recording)) == 4
    assert said == [("notice", said[0][1])]
    assert "no speech model" in said[0][1]["detail"]


def test_two_do_not_work_on_one_recording(tmp_path: Path, build: Any) -> None:
    import fcntl

    recording: Recording = build(tmp_path)
    with (recording.folder / ".production.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "recorder.production.follow", str(recording.folder)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "already" in json.loads(done.stdout)["detail"]

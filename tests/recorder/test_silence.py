"""A child that hangs is told by its silence; one that the machine keeps waiting is left alone."""

import io
import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import pytest

from recorder import feed
from recorder.sources.child import BEAT_S
from recorder.sources.silence import Listener, Reading, between

CHILD = """
import sys, threading, time
from recorder.sources.child import Output
output, stop = Output(sys.stdout.fileno()), threading.Event()
for _ in range(3):
    output.wait(stop, 0.2)
{then}
"""


@pytest.mark.parametrize(
    "then", ["time.sleep(600)", "while True: pass", "threading.Lock().acquire() and stop.wait()"]
)
def test_a_child_that_breaks_its_promise_is_told(then: str) -> None:
    """Asleep, going round in circles, or waiting for what never comes."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD.format(then=then)], stdout=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdout is not None
        silences: list[float] = []

        def hangs(seconds: float) -> None:
            silences.append(seconds)
            child.kill()

        listener = Listener(child.stdout.fileno(), child.pid, hangs)
        listener.patience = 600.0
        beats = 0
        for message in feed.read(cast("BinaryIO", io.BufferedReader(listener))):
            assert isinstance(message, feed.Command) and message.name == "alive"
            listener.promised = float(str(message.args["every"])) + 0.5
            beats += 1
        assert beats > 1 and len(silences) == 1


@pytest.mark.parametrize("url", ["test:presenter?size=320x180&fps=25", "test:speech"])
def test_a_child_that_is_never_silent_promises_too(url: str) -> None:
    """What it sends comes closer than it would beat; when it hangs, that is told as soon."""
    command = [sys.executable, "-m", "recorder.sources.generate", url, "--id", "x", "--role", "x"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        sent = itertools.islice(feed.read(cast("BinaryIO", child.stdout)), 50)
        promised = any(message == feed.Command("alive", {"every": BEAT_S}) for message in sent)
        child.kill()
    assert promised


@pytest.mark.parametrize(
    ("now", "could"),
    [
        (Reading(13.0, 1.0, 5.0, wants=False), 3.0),  # it slept
        (Reading(13.0, 1.1, 7.9, wants=False), 0.1),  # it was kept waiting
        (Reading(13.0, 1.0, 5.0, wants=True), 0.0),  # it is being kept waiting
        (Reading(13.0, 3.5, 5.0, wants=True), 2.5),  # it went round in circles
    ],
)
def test_only_time_in_which_it_could_speak_is_silence(now: Reading, could: float) -> None:
    assert between(Reading(10.0, 1.0, 5.0, wants=False), now) == pytest.approx(could)


async def test_a_source_whose_child_hangs_goes_on(
    hold_class: Callable[..., Any], tmp_path: Any
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGING.format(once=str(tmp_path / "hung")))
    made = hold_class("presenter=test:presenter?size=320x180&fps=25")
    await made.start(env={"PYTHONPATH": str(tmp_path)})
    await made.running("presenter")
    await made.until(lambda: [m for m in made.recording.markers() if m.kind == "gap"], "the gap")
    await made.finish()
    [gap] = [m.data for m in made.recording.markers() if m.kind == "gap"]
    assert gap["source"] == "presenter" and "nothing came" in made.log


# The first child of the source hangs at its hundredth message, without a processor.
HANGING = """
import os, sys, threading
if any("test:presenter" in word for word in sys.orig_argv):
    from recorder.sources.child import Output
    send, left = Output.send, [100]
    def hang(self, message):
        left[0] -= 1
        if left[0] == 0 and not os.path.exists({once!r}):
            open({once!r}, "w").close()
            threading.Event().wait()
        send(self, message)
    Output.send = hang
"""

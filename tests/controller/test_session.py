"""The session's states: what is allowed when, and what it leads to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.errors import ClassroomError
from controller.session import Session, new_session, now_utc
from controller.state import SessionState
from recorder.recording import Layout


def begun(minutes: float = 45) -> Session:
    return new_session(
        title="Optics",
        course=None,
        lecturer=None,
        minutes=minutes,
        layout=Layout.SLIDES_PRESENTER,
        boot_id="boot",
    )


def test_a_whole_class() -> None:
    session = begun()
    assert session.state is SessionState.PREPARING
    assert session.planned_end == session.started + timedelta(minutes=45)
    live = session.prepared()
    assert live.state is SessionState.LIVE
    paused = live.paused()
    assert paused.paused() == paused
    assert paused.resumed().state is SessionState.LIVE
    ending = paused.ending(now_utc(), 10)
    assert ending.state is SessionState.ENDING
    assert ending.undone(now_utc()).state is SessionState.PAUSED
    over = ending.over(ending.end_pressed or now_utc())
    assert over.state is SessionState.ENDED
    assert not over.active


def test_end_cannot_be_taken_back_for_ever() -> None:
    ending = begun().prepared().ending(now_utc(), 10)
    with pytest.raises(ClassroomError, match="already ended"):
        ending.undone(now_utc() + timedelta(seconds=11))


def test_elapsed_stops_at_the_end_and_ignores_the_wall_clock() -> None:
    session = begun()
    jumped = session.model_copy(update={"started": session.started - timedelta(hours=3)})
    assert jumped.elapsed_s("boot") < 60
    assert 3 * 3600 <= jumped.elapsed_s("another boot") < 3 * 3600 + 60
    over = session.over(session.started + timedelta(minutes=5))
    assert over.elapsed_s("boot") == 300


@pytest.mark.parametrize("minutes", [0, -5, 601, float("nan"), float("inf")])
def test_extension_within_reason(minutes: float) -> None:
    with pytest.raises(ClassroomError) as caught:
        begun().extended(minutes, now_utc())
    assert caught.value.code == "bad_value"


def test_extension_counts_from_the_planned_end_or_from_now() -> None:
    session = begun()
    assert session.planned_end is not None
    longer = session.extended(10, now_utc())
    assert longer.planned_end == session.planned_end + timedelta(minutes=10)
    late = session.planned_end + timedelta(minutes=7)
    assert session.extended(5, late).planned_end == late + timedelta(minutes=5)
    open_end = begun(0)
    assert open_end.planned_end is None
    assert open_end.extended(5, late).planned_end == late + timedelta(minutes=5)


class Presses(RuleBasedStateMachine):
    """Whatever is pressed in whatever order: an error or a sound state, never anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.session = begun()

    def press(self, name: str, *args: object) -> None:
        before = self.session
        try:
            self.session = getattr(before, name)(*args)
        except ClassroomError as error:
            assert error.message
            assert error.status in {409, 422}
            self.session = before

    @rule()
    def prepared(self) -> None:
        self.press("prepared")

    @rule()
    def pause(self) -> None:
        self.press("paused")
        if self.session.state in {SessionState.LIVE}:
            raise AssertionError("a pause leaves no class live")

    @rule()
    def resume(self) -> None:
        self.press("resumed")

    @rule(minutes=st.floats(allow_nan=True))
    def extend(self, minutes: float) -> None:
        self.press("extended", minutes, now_utc())

    @rule(undo=st.integers(0, 60))
    def end(self, undo: int) -> None:
        self.press("ending", now_utc(), undo)

    @rule()
    def undo(self) -> None:
        self.press("undone", now_utc())

    @rule()
    def over(self) -> None:
        was_ended = self.session.state is SessionState.ENDED
        self.press("over", now_utc())
        assert self.session.state is SessionState.ENDED
        assert was_ended or self.session.ended is not None

    @invariant()
    def undo_stands_only_while_ending(self) -> None:
        ending = self.session.state is SessionState.ENDING
        assert (self.session.undo_until is not None) == ending
        assert (self.session.before_end is not None) == ending

    @invariant()
    def ended_is_for_good(self) -> None:
        assert (self.session.ended is not None) == (self.session.state is SessionState.ENDED)
        assert self.session.active == (self.session.state is not SessionState.ENDED)


TestPresses = Presses.TestCase
TestPresses.settings = settings(max_examples=50, deadline=None)

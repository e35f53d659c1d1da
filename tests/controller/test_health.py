"""Alarms: worded for whoever can act, raised and cleared by facts, never repeated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controller import health
from controller.health import AlarmBoard, Words
from controller.state import Alarm, DeliveryView
from devices.model import DeviceState, Health

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
FACTS = [
    "source_lost",
    "source_failed",
    "no_source",
    "silent",
    "black",
    "frozen",
    "disk_low",
    "disk_full",
    "disk_slow",
    "program_lost",
    "clock_unsynchronised",
    "something_new",
]


@pytest.mark.parametrize("code", FACTS)
def test_every_fact_has_words_and_a_remedy(code: str) -> None:
    words = health.recorder_fact(code, "camera", "it said so")
    assert words.text.endswith((".", ")"))
    assert words.remedy.endswith(".")
    assert not words.text.startswith(code) or code == "something_new"


def test_board_tells_changes_once_and_keeps_since() -> None:
    told: list[list[Alarm]] = []
    board = AlarmBoard(told.append)
    words = Words("warning", "technician", "It hums.", "Listen.")
    board.set("a", words)
    since = board.alarms()[0].since
    board.set("a", words)
    assert len(told) == 1
    board.set("a", words._replace(text="It hums louder."))
    assert board.alarms()[0].since == since
    board.set("b", Words("critical", "instructor", "It burns.", "Run."))
    assert [alarm.id for alarm in board.alarms()] == ["b", "a"]
    board.clear("a")
    board.set("a", None)
    assert [alarm.id for alarm in told[-1]] == ["b"]
    assert len(told) == 4


def device(**fields: object) -> DeviceState:
    usual = {"id": "p", "name": "Projector", "kind": "projector", "profile": "x"}
    return DeviceState.model_validate(usual | fields)


def test_teacher_hears_of_a_device_only_in_class_and_only_when_it_is_seen() -> None:
    offline = device(health=Health.OFFLINE)
    in_class = health.device_words(offline, in_class=True)
    free = health.device_words(offline, in_class=False)
    relay = health.device_words(device(health=Health.OFFLINE, kind="relay"), in_class=True)
    assert in_class is not None
    assert free is not None
    assert relay is not None
    assert (in_class.who, free.who, relay.who) == ("instructor", "technician", "technician")
    assert health.device_words(device(health=Health.ONLINE), in_class=True) is None


def test_disk_lasts_for_the_rest_of_the_class_or_not() -> None:
    assert health.disk_forecast(None, 3600) is None
    assert health.disk_forecast(1200, 600) is None
    assert health.disk_forecast(1200, 3000) is not None
    assert health.disk_forecast(3000, None) is not None


def test_overtime() -> None:
    assert health.overtime(None, NOW, None) is None
    assert health.overtime(NOW + timedelta(minutes=1), NOW, None) is None
    over = health.overtime(NOW - timedelta(minutes=7), NOW, None)
    assert over is not None
    assert "7 min" in over.text
    ending = health.overtime(NOW - timedelta(minutes=7), NOW, NOW + timedelta(minutes=8))
    assert ending is not None
    assert "ends by itself in 8 min" in ending.text


def test_deliveries_are_for_the_administrator() -> None:
    view = DeliveryView(id="r.t", recording="r", target="t", state="retrying", attempts=2)
    assert health.delivery(view) is None
    stuck = health.delivery(view.model_copy(update={"attempts": 9}))
    failed = health.delivery(
        view.model_copy(update={"state": "failed", "detail": "no such course", "remedy": "Map it."})
    )
    assert stuck is not None
    assert failed is not None
    assert failed.who == "admin"
    assert "no such course" in failed.text
    assert failed.remedy == "Map it."

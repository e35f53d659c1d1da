"""The bandwidth that deliveries may use, and the rate and time left that are told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from publishing.bandwidth import Throttle
from publishing.progress import Pace
from publishing.target import Window


def test_bandwidth_follows_the_clock() -> None:
    windows = [
        Window.model_validate({"from": "08:00", "until": "18:00", "mbit_s": 8}),
        Window.model_validate({"from": "22:00", "until": "06:00", "mbit_s": 80}),
    ]
    at = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    throttle = Throttle(windows, now=lambda: at)
    assert throttle.rate() == 1_000_000
    at = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
    assert throttle.rate() == 10_000_000
    at = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    assert throttle.rate() is None


async def test_the_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("publishing.bandwidth.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("publishing.bandwidth.asyncio.sleep", sleep)
    windows = [Window.model_validate({"from": "00:00", "until": "23:59", "mbit_s": 8})]
    throttle = Throttle(windows, now=lambda: datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    for _ in range(40):
        await throttle.take(250_000)
    assert 9.4 <= clock[0] - 100 <= 10.1


def test_pace_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("publishing.progress.time.monotonic", lambda: clock[0])
    pace = Pace()
    for second in range(1, 11):
        pace.moved(second * 1000, 20_000 - second * 1000)
        clock[0] += 1
    assert pace.rate == pytest.approx(1000)
    assert pace.eta_s == pytest.approx(10, abs=1)

import itertools
import random
from collections.abc import Iterator

import pytest

from recorder.clock import ClassClock, SenderClock, SourceClock
from recorder.recording import boottime


def play(
    clock: SourceClock,
    seconds: float,
    *,
    rate: float = 25.0,
    first: float = 1000.0,
    start: float = 5.0,
    drift_ppm: float = 0.0,
    jitter: float = 0.0,
    latency: float = 0.05,
    seed: int = 1,
) -> Iterator[tuple[float, float]]:
    """Sends packets of a source whose clock is slow by `drift_ppm`; yields (true time, class)."""
    chance = random.Random(seed)
    for number in range(int(seconds * rate)):
        true = start + number / rate
        stamp = first + (true - start) / (1 + drift_ppm / 1e6)
        arrival = true + latency + chance.expovariate(1 / jitter) if jitter else true + latency
        yield true + latency, stamp + clock.offset(stamp, arrival)


def test_class_time_runs_with_the_boot_clock() -> None:
    clock = ClassClock(boottime() - 100.0)
    assert 100.0 <= clock.now() < 101.0
    assert abs(clock.from_boottime_us(round((clock.base + 3.5) * 1e6)) - 3_500_000) <= 1


def test_jitter_of_the_network_does_not_reach_the_stamps() -> None:
    stamps = [stamp for _, stamp in play(SourceClock(), 120, jitter=0.02)]
    steps = [b - a for a, b in itertools.pairwise(stamps)]
    settled = steps[250:]
    assert min(steps) > 0
    assert max(abs(step - 0.04) for step in settled) < 0.04 * 0.011


def test_drift_is_followed_from_the_beginning_to_the_end() -> None:
    for ppm in (200.0, -200.0, 3600.0, -3600.0):
        clock = SourceClock()
        errors = [stamp - true for true, stamp in play(clock, 300, drift_ppm=ppm, jitter=0.003)]
        assert max(map(abs, errors)) < 0.04, ppm
        assert abs(clock.measured().drift_ppm - ppm) < max(60, abs(ppm) * 0.05)


def test_a_late_anchor_is_corrected_without_going_back() -> None:
    clock = SourceClock()
    clock.anchor(1000.0, 5.4)  # the first packet was 0.35 s late
    played = list(play(clock, 30))
    stamps = [stamp for _, stamp in played]
    assert all(b > a for a, b in itertools.pairwise(stamps))
    true, stamp = played[-1]
    assert abs(stamp - true) < 0.01


def test_a_stall_of_the_network_does_not_move_the_source() -> None:
    clock = SourceClock()
    list(play(clock, 20))
    for number in range(100):  # four seconds arrive at once, late
        stamp = 1020.0 + number / 25
        assert abs(stamp + clock.offset(stamp, 29.05) - (25.05 + number / 25)) < 0.02
    assert clock.resets == 0


def test_a_source_that_stood_still_is_anchored_again() -> None:
    clock = SourceClock()
    list(play(clock, 20))
    last = [stamp for _, stamp in play(clock, 10, first=1020.0, start=32.0)][-1]
    assert abs(last - (42.0 - 0.04 + 0.05)) < 0.02
    assert clock.resets == 1


def test_wraps_jumps_and_resets_keep_class_time() -> None:
    for first in (0.0, 95_443.7, 1e6):  # a restart, a 33 bit wrap, a jump
        clock = SourceClock()
        list(play(clock, 20))
        errors = [s - t for t, s in play(clock, 20, first=first, start=25.0)]
        assert max(map(abs, errors)) < 0.01
        assert clock.resets == 1


def test_a_gap_in_the_stamps_that_is_real_stays_a_gap() -> None:
    clock = SourceClock()
    list(play(clock, 20))
    errors = [s - t for t, s in play(clock, 5, first=1060.0, start=65.0)]
    assert max(map(abs, errors)) < 0.01
    assert clock.resets == 0


def test_a_trusted_sender_tells_when_its_packets_were_captured() -> None:
    measured, trusted = SenderClock(trusted=False), SenderClock(trusted=True)
    for clock in (measured, trusted):
        for number in range(50):
            arrival = 10.0 + number * 0.04 + (number % 7) * 0.003
            wall = 1_700_000_000.0 + arrival
            taken = clock.arrival(0, wall - 0.120 - (number % 7) * 0.003, arrival, wall)
            expected = 10.0 + number * 0.04 - 0.120 if clock.trusted else arrival
            assert taken == pytest.approx(expected, abs=1e-5)
        assert clock.latency[0] == pytest.approx(0.120, abs=1e-5)
    for step in (3600.0, -3600.0):  # a wall clock is set: the arrival counts
        assert trusted.arrival(0, wall - 0.1 + step, 12.0, wall) == 12.0
        assert not trusted.used

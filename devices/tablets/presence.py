"""Presence: which seats are taken now, by a lease that every message renews.

A seat is there as long as one of its tablets has been heard within the lease, however often the
connection breaks meanwhile; so reconnecting neither doubles a student nor loses one.
"""

from __future__ import annotations

from dataclasses import dataclass

from devices.tablets.log import Stay

LEASE_MS = 12_000


@dataclass(slots=True)
class Seat:
    """One seat that is or was taken in this lesson. Times in ms on the room's clock."""

    id: str
    label: str
    tablet: str
    heard: int
    joined: int
    here: bool = True
    visible: bool = True
    battery: int | None = None

    def stay(self) -> Stay:
        """The attendance record of this stay."""
        return Stay(self.id, self.label, self.joined, None if self.here else self.heard)


class Presence:
    """The seats of one lesson."""

    def __init__(self, lease_ms: int = LEASE_MS) -> None:
        self._lease = lease_ms
        self._seats: dict[str, Seat] = {}

    def touch(
        self,
        seat: str,
        label: str,
        tablet: str,
        now: int,
        *,
        visible: bool | None = None,
        battery: int | None = None,
    ) -> Seat | None:
        """Renews the seat's lease; returns the seat when it has just joined."""
        known = self._seats.get(seat)
        joined = known is None or not known.here
        if known is None or joined:
            known = self._seats[seat] = Seat(seat, label, tablet, now, now)
        known.heard, known.label, known.tablet = now, label, tablet
        if visible is not None:
            known.visible = visible
        if battery is not None:
            known.battery = battery
        return known if joined else None

    def leave(self, seat: str, now: int) -> Seat | None:
        """The seat says that it goes; returns it when it was here."""
        known = self._seats.get(seat)
        if known is None or not known.here:
            return None
        known.here, known.heard = False, now
        return known

    def expire(self, now: int) -> list[Seat]:
        """Returns the seats whose lease has run out since the last call; they have left."""
        gone = [s for s in self._seats.values() if s.here and now - s.heard > self._lease]
        for seat in gone:
            seat.here = False
        return gone

    def here(self) -> list[Seat]:
        """The seats that are taken, in the order of joining."""
        return [seat for seat in self._seats.values() if seat.here]

    def label(self, seat: str) -> str:
        """What the seat is called; its id when it is not known."""
        known = self._seats.get(seat)
        return known.label if known else seat

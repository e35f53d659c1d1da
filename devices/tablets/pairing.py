"""Pairing: who is a tablet of this room, and the short codes by which a device becomes one.

A credential is 32 random bytes in base64url. Only its SHA-256 is kept: a value that nobody can
guess needs no slow hash, and 300 tablets that return at once are checked in milliseconds. Codes
are short because people type them; so they live for minutes, in memory only, and guessing is
limited by address.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import BaseModel, Field

from devices.tablets.clock import room_ms
from devices.tablets.limits import GuessLimit

TabletRole = Literal["student", "board", "lecturer"]
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 6
PAIR_MINUTES = 30
JOIN_MINUTES = 10


class PairingError(Exception):
    """A code or credential was not accepted. `code` is stable, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Tablet(BaseModel):
    """A device that belongs to the room, or for one session to a student (`session` is set)."""

    id: str
    seat: str
    name: str = Field(max_length=60)
    role: TabletRole = "student"
    session: str | None = None
    created: int
    revoked: bool = False
    version: str = ""
    battery: int | None = None
    last_contact: int | None = None


class TabletStore(Protocol):
    """Where the room keeps its tablets."""

    async def load_tablets(self) -> list[tuple[Tablet, str]]:
        """Returns every tablet with the hash of its credential."""

    async def keep_tablet(self, tablet: Tablet, credential_hash: str) -> None:
        """Commits a tablet, new or changed."""

    async def drop_tablets(self, tablets: Sequence[str]) -> None:
        """Removes tablets for good."""


@dataclass(slots=True)
class Code:
    """A code that makes tablets: each use takes the next of `names`; without names, `uses`."""

    text: str
    role: TabletRole
    expires: int
    names: list[str] = field(default_factory=list)
    session: str | None = None
    endless: bool = False

    @property
    def used_up(self) -> bool:
        return not self.endless and not self.names


@dataclass(frozen=True, slots=True)
class Paired:
    """A new tablet and its credential, which is shown this once."""

    tablet: Tablet
    credential: str


class Pairing:
    """The tablets of the room and the codes that are out."""

    def __init__(
        self,
        store: TabletStore,
        *,
        now: Callable[[], int] = room_ms,
        guesses: GuessLimit | None = None,
    ) -> None:
        self._store, self._now = store, now
        self._guesses = guesses or GuessLimit()
        self._codes: dict[str, Code] = {}
        self._tablets: dict[str, Tablet] = {}
        self._hashes: dict[str, str] = {}
        self._by_hash: dict[str, str] = {}
        self.on_revoked: list[Callable[[Tablet], None]] = []
        self.on_changed: list[Callable[[Tablet], None]] = []
        """Told when a tablet has another name or seat."""

    async def load(self) -> None:
        """Reads the tablets that the store has."""
        for tablet, digest in await self._store.load_tablets():
            self._learn(tablet, digest)

    def tablets(self) -> list[Tablet]:
        """Every tablet, in the order of pairing."""
        return list(self._tablets.values())

    def tablet(self, tablet: str) -> Tablet:
        """Returns one tablet. Raises PairingError."""
        try:
            return self._tablets[tablet]
        except KeyError:
            raise PairingError("unknown_tablet", f"There is no tablet {tablet!r}.") from None

    def pair_each(
        self, names: Sequence[str], role: TabletRole = "student", minutes: float = PAIR_MINUTES
    ) -> list[Code]:
        """Makes one code per name; each pairs one tablet, once."""
        return [self._issue(role, minutes, names=[name]) for name in names]

    def pair_set(
        self, names: Sequence[str], role: TabletRole = "student", minutes: float = PAIR_MINUTES
    ) -> Code:
        """Makes one code for a class set: each device that uses it takes the next name."""
        return self._issue(role, minutes, names=list(names))

    def join_code(self, session: str, minutes: float = JOIN_MINUTES) -> Code:
        """Returns the code by which students' own devices join `session` now.

        It is a new one when the last is in the second half of its life; the last stays good
        until it expires, so that what is read from the board can still be typed.
        """
        half = minutes * 30_000
        for code in self._live():
            if code.session == session and code.expires - self._now() > half:
                return code
        return self._issue("student", minutes, session=session, endless=True)

    def open_codes(self) -> list[Code]:
        """The technician's codes that still pair something; join codes are not among them."""
        return [code for code in self._live() if code.session is None and not code.used_up]

    def cancel(self, text: str) -> None:
        """Takes a code back."""
        self._codes.pop(_plain(text), None)

    async def redeem(self, text: str, address: str, *, name: str = "", version: str = "") -> Paired:
        """Turns a code into a tablet and its credential.

        Raises PairingError `too_many_guesses`, or `unknown_code` for a code that is wrong, used
        up or expired: which of these is not told.
        """
        if not self._guesses.allows(address):
            raise PairingError(
                "too_many_guesses", "Too many wrong codes. Wait five minutes, then try again."
            )
        live = {code.text: code for code in self._live()}
        code = live.get(_plain(text))
        if code is None or code.used_up:
            self._guesses.wrong(address)
            raise PairingError(
                "unknown_code", "This code is not valid, or not any more. Ask for a new one."
            )
        named = code.names.pop(0) if code.names else ""
        given = named or name.strip()[:60]
        ident = secrets.token_hex(6)
        tablet = Tablet(
            id=ident,
            seat=self._free_seat(named) or f"s{ident}",
            name=given or f"Guest {ident[:4]}",
            role=code.role,
            session=code.session,
            created=self._now(),
            version=version[:60],
            last_contact=self._now(),
        )
        credential = secrets.token_urlsafe(32)
        digest = fingerprint(credential)
        self._learn(tablet, digest)
        await self._store.keep_tablet(tablet, digest)
        return Paired(tablet, credential)

    def authenticate(self, credential: str) -> Tablet:
        """Returns whose credential this is. Raises PairingError `not_paired` or `revoked`."""
        ident = self._by_hash.get(fingerprint(credential))
        if ident is None:
            raise PairingError("not_paired", "This device is not paired with the room.")
        tablet = self._tablets[ident]
        if tablet.revoked:
            raise PairingError("revoked", "This device's pairing was taken back.")
        return tablet

    async def rename(self, tablet: str, name: str) -> Tablet:
        """Gives the tablet another name."""
        return self._told(await self._change(tablet, name=name.strip()[:60] or tablet))

    async def move(self, tablet: str, seat: str, *, swap: bool = False) -> Tablet:
        """Puts the tablet at another seat (an identifier of the room's own choice).

        `swap`: the tablet that has this seat gets the other's. Raises PairingError `seat_taken`
        without: two tablets at a seat would overwrite each other's answers.
        """
        here = self.tablet(tablet)
        there = next((t for t in self._tablets.values() if t.seat == seat and not t.revoked), here)
        if there.id != here.id:
            if not swap:
                raise PairingError("seat_taken", f"{there.name} has this seat. Swap the two?")
            self._told(await self._change(there.id, seat=here.seat))
        return self._told(await self._change(tablet, seat=seat))

    async def revoke(self, tablet: str) -> Tablet:
        """Takes the pairing back, at once and for good."""
        changed = await self._change(tablet, revoked=True)
        for told in self.on_revoked:
            told(changed)
        return changed

    async def remove(self, tablet: str) -> None:
        """Forgets a revoked tablet for good. Raises PairingError `not_revoked`."""
        if not self.tablet(tablet).revoked:
            raise PairingError("not_revoked", "This tablet is still paired. Revoke it first.")
        self._by_hash.pop(self._hashes.pop(tablet), None)
        del self._tablets[tablet]
        await self._store.drop_tablets([tablet])

    async def heard(
        self, tablet: str, *, version: str | None = None, battery: int | None = None
    ) -> None:
        """Notes a contact; written to the store at most once a minute and tablet."""
        known = self._tablets.get(tablet)
        if known is None:
            return
        changes: dict[str, object] = {"last_contact": self._now()}
        if version:
            changes["version"] = version[:60]
        if battery is not None:
            changes["battery"] = battery
        stale = self._now() - (known.last_contact or 0) > 60_000 or version not in (
            None,
            "",
            known.version,
        )
        if stale:
            await self._change(tablet, **changes)
        elif battery is not None:
            self._tablets[tablet] = known.model_copy(update={"battery": battery})

    async def forget_session(self, session: str) -> list[Tablet]:
        """Forgets the students' own devices of a session, and its codes; returns the devices."""
        guests = [t for t in self._tablets.values() if t.session == session]
        for guest in guests:
            self._by_hash.pop(self._hashes.pop(guest.id), None)
            del self._tablets[guest.id]
        for code in self._live():
            if code.session == session:
                del self._codes[code.text]
        if guests:
            await self._store.drop_tablets([guest.id for guest in guests])
        for guest in guests:
            for told in self.on_revoked:
                told(guest)
        return guests

    async def _change(self, tablet: str, **changes: object) -> Tablet:
        changed = self.tablet(tablet).model_copy(update=changes)
        self._tablets[tablet] = changed
        await self._store.keep_tablet(changed, self._hashes[tablet])
        return changed

    def _free_seat(self, name: str) -> str:
        """The seat called as the technician called the tablet; "" when it is taken.

        A tablet that replaces a revoked one so takes its seat. Only the room's own tablets: a
        student's name is no seat.
        """
        seat = "-".join(re.findall(r"[A-Za-z0-9]+", name))[:40]
        taken = {tablet.seat for tablet in self._tablets.values() if not tablet.revoked}
        return "" if seat in taken else seat

    def _told(self, tablet: Tablet) -> Tablet:
        for told in self.on_changed:
            told(tablet)
        return tablet

    def _learn(self, tablet: Tablet, digest: str) -> None:
        self._tablets[tablet.id] = tablet
        self._hashes[tablet.id] = digest
        self._by_hash[digest] = tablet.id

    def _issue(
        self,
        role: TabletRole,
        minutes: float,
        *,
        names: list[str] | None = None,
        session: str | None = None,
        endless: bool = False,
    ) -> Code:
        text = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
        if text in self._codes:
            return self._issue(role, minutes, names=names, session=session, endless=endless)
        expires = self._now() + int(minutes * 60_000)
        code = Code(text, role, expires, names or [], session, endless)
        self._codes[text] = code
        return code

    def _live(self) -> Iterable[Code]:
        now = self._now()
        self._codes = {text: c for text, c in self._codes.items() if c.expires > now}
        return list(self._codes.values())


def fingerprint(credential: str) -> str:
    """What is kept of a credential: SHA-256, hex."""
    return hashlib.sha256(credential.encode()).hexdigest()


def _plain(text: str) -> str:
    return "".join(text.upper().split()).replace("-", "")

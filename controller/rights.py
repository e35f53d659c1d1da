"""What people decide about a finished recording: hold, release, trim, replace, withdraw, erase.

Each decision is noted in the journal before it is carried out, and stands in the recording's own
folder, so that it outlives everything. What takes time (cutting, taking back) goes on by itself.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from controller.edits import Edits
from controller.errors import ClassroomError
from controller.outbox import Outbox
from controller.persons import Found
from controller.session import now_utc
from controller.state import Actor, DeliveryView
from publishing.errors import TargetError
from publishing.metadata import Metadata, correct, read_metadata
from recorder import production_state
from recorder.recording import Life, Manifest, Recording, RecordingError, lecture_spans
from recorder.retention import PRUNED
from recorder.spans import CUT, UNCUT, Span, class_spans

Seen = Literal["private", "unlisted", "course", "public"]
Note = Callable[[Actor, str, dict[str, Any]], Awaitable[None]]
_LEAST_S = 1.0
_SLACK_S = 0.5


class RightsView(BaseModel):
    """Who may get a recording, and what was decided about it.

    `held`: by whom, when, why. `edit`: the change under way, with `error` when it could not be
    made. `cut_s` seconds have been cut out so far; `can_restore` says whether that can be undone.
    """

    recording: str
    title: str
    course: str | None
    lecturer: str | None
    language: str | None
    licence: str | None
    description: str
    visibility: Seen
    consent: bool | None
    publish: bool
    held: dict[str, Any] | None
    edit: dict[str, Any] | None
    duration_s: float | None
    cut_s: float
    can_restore: bool
    deliveries: list[DeliveryView]


class Rights:
    """Decisions about recordings; `find(id)` is a recording's folder, ClassroomError if none."""

    def __init__(
        self,
        find: Callable[[str], Path],
        outbox: Outbox,
        edits: Edits,
        note: Note,
        changed: Callable[[Path], None],
    ) -> None:
        self._find = find
        self._outbox = outbox
        self._edits = edits
        self._note = note
        self._changed = changed

    async def show(self, recording: str) -> RightsView:
        """What stands now."""
        return await asyncio.to_thread(self._view, self._open(recording))

    async def hold(self, actor: Actor, recording: str, why: str = "") -> RightsView:
        """Let nothing of this recording out; deliveries under way are recalled."""
        found = self._open(recording)
        await self._note(actor, "hold_recording", {"recording": found.id, "why": why})
        held = {"by": actor.name, "at": now_utc().isoformat(), "why": why}
        fields: dict[str, Any] = {"held": held}
        if found.manifest.life is not Life.RECORDING:
            fields["life"] = Life.HELD
        await asyncio.to_thread(found.update, **fields)
        await self._outbox.hold(found.folder, actor.name)
        return await self._told(found)

    async def release(self, actor: Actor, recording: str) -> RightsView:
        """Let the recording go to where it is published."""
        found = self._open(recording)
        await self._note(actor, "release_recording", {"recording": found.id})
        manifest = found.manifest
        fields: dict[str, Any] = {"held": None}
        if manifest.life is Life.HELD:
            fields["life"] = Life.READY
        await asyncio.to_thread(found.update, **fields)
        await self._outbox.release(found.folder, actor.name)
        if manifest.life is not Life.RECORDING and manifest.edit is None:
            submit_due(self._outbox, found.folder)
        return await self._told(found)

    async def correct(self, actor: Actor, recording: str, words: dict[str, Any]) -> RightsView:
        """Other words, visibility or consent; `bad_value` (422) when they are not valid."""
        found = self._open(recording)
        await self._note(actor, "correct_recording", {"recording": found.id, **words})
        try:
            before = await asyncio.to_thread(read_metadata, found.folder)
            after = await asyncio.to_thread(lambda: correct(found.folder, **words))
        except TargetError as error:
            raise ClassroomError("bad_value", error.message, error.remedy, 422) from error
        if _allows(before) and not _allows(after):
            await self._outbox.hold(found.folder, actor.name)
        elif not _allows(before) and _allows(after):
            await self._outbox.release(found.folder, actor.name)
        elif before != after:
            self._outbox.again(found.folder, actor.name)
        return await self._told(found)

    async def trim(
        self,
        actor: Actor,
        recording: str,
        *,
        start: float | None = None,
        end: float | None = None,
        cuts: Sequence[Span] = (),
        erase: bool = False,
    ) -> RightsView:
        """Keep the lecture from `start` to `end` without `cuts` (seconds of it as it is now).

        With `erase` the tracks lose it as well, for good. Raises ClassroomError.
        """
        found = self._open(recording)
        manifest = self._editable(found)
        duration = manifest.duration_s or 0.0
        out = [(float(a), float(b)) for a, b in cuts]
        if start is not None and start > 0:
            out.append((0.0, float(start)))
        if end is not None and end < duration:
            out.append((float(end), duration + _SLACK_S))
        self._check(out, duration)
        data = {"recording": found.id, "cuts": out, "erase": erase}
        await self._note(actor, "erase_span" if erase else "trim_recording", data)
        await self._outbox.pause(found.folder)
        kind = "erase" if erase else "trim"
        await asyncio.to_thread(self._begin, found, manifest, actor, kind, out)
        self._edits.take(found.folder)
        return await self._told(found)

    async def restore(self, actor: Actor, recording: str) -> RightsView:
        """Take all cuts back that were not erased."""
        found = self._open(recording)
        manifest = self._editable(found)
        if not _can_restore(found) and manifest.edit is None:
            raise ClassroomError(
                "nothing_to_restore",
                "Nothing was cut out, or what was cut is erased.",
                f"`classroomd produce {found.folder.name} --rebuild` makes it from the tracks.",
            )
        await self._note(actor, "restore_recording", {"recording": found.id})
        await self._outbox.pause(found.folder)
        await asyncio.to_thread(self._begin, found, manifest, actor, "restore", [])
        self._edits.take(found.folder)
        return await self._told(found)

    async def replace(self, actor: Actor, recording: str) -> RightsView:
        """Deliver the recording as it is now, in place of what its targets have."""
        found = self._open(recording)
        await self._note(actor, "replace_recording", {"recording": found.id})
        self._outbox.again(found.folder, actor.name)
        return await self._told(found)

    async def withdraw(
        self,
        actor: Actor,
        recording: str,
        target: str | None = None,
        *,
        last_copy: bool = False,
    ) -> RightsView:
        """Take the recording back from one target, or from all of them.

        `last_copy` (409): its media was deleted here because it is there, and would be lost.
        """
        found = self._open(recording)
        known = [one.target for one in self._outbox.of(found.id)]
        chosen = known if target is None else [target]
        if target is not None and target not in known:
            raise ClassroomError(
                "unknown_target",
                f"This recording was not delivered to {target!r}.",
                f"It was delivered to: {', '.join(known) or 'nowhere'}.",
                404,
            )
        proved = {one.target for one in self._outbox.of(found.id) if one.receipt is not None}
        pruned = (found.folder / PRUNED).exists()
        if pruned and not last_copy and proved and not proved - set(chosen):
            raise ClassroomError(
                "last_copy",
                "Its media was deleted here, so this is the last copy there is.",
                "Confirm with `last_copy`, or withdraw it only from another target.",
                409,
            )
        await self._note(actor, "withdraw_recording", {"recording": found.id, "targets": chosen})
        for name in chosen:
            await self._outbox.ask_back(found.folder, name, actor.name)
        return await self._told(found)

    async def note_person(
        self, actor: Actor, kind: str, found: Sequence[Found], changed: Sequence[Path] = ()
    ) -> None:
        """Note that a person's data were looked for or erased, without the name itself.

        Recordings whose texts changed are delivered anew to where they are.
        """
        counts = {f"{one.where}: {one.what}": one.count for one in found if not one.recording}
        recordings = sorted({one.recording for one in found if one.recording})
        await self._note(actor, kind, {"found": counts, "recordings": recordings})
        for folder in changed:
            self._outbox.again(folder, actor.name)
            self._changed(folder)

    # -- parts --------------------------------------------------------------------------------

    def _open(self, recording: str) -> Recording:
        try:
            return Recording.open(self._find(recording))
        except RecordingError as error:
            raise ClassroomError("damaged_recording", str(error), "") from error

    def _editable(self, found: Recording) -> Manifest:
        manifest = found.manifest
        if manifest.life is Life.RECORDING:
            raise ClassroomError(
                "still_recording", "The class is still being recorded.", "Wait for its end."
            )
        if manifest.edit is not None and "error" not in manifest.edit:
            raise ClassroomError(
                "edit_under_way",
                "This recording is just being changed.",
                "Wait until that is done, then ask again.",
            )
        if (found.folder / PRUNED).exists() or not found.lecture.is_file():
            raise ClassroomError(
                "no_lecture",
                "Its lecture is not on this machine.",
                "Withdraw it where it was published, or change it there.",
            )
        return manifest

    def _check(self, out: Sequence[Span], duration: float) -> None:
        for begin, end in out:
            if not (math.isfinite(begin) and math.isfinite(end)) or begin < 0 or end <= begin:
                raise ClassroomError(
                    "bad_cut",
                    f"{begin:g} to {end:g} is no span of the lecture.",
                    "Give each cut as [from, to] in seconds, `to` the later one.",
                    422,
                )
        kept, at = 0.0, 0.0
        for begin, end in sorted(out):
            kept += max(0.0, min(begin, duration) - at)
            at = max(at, min(end, duration))
        if not out or kept + duration - at < _LEAST_S:
            raise ClassroomError(
                "bad_cut",
                "Nothing would be cut." if not out else "Nothing would be left of the lecture.",
                f"The lecture has {duration:.1f} s; withdraw or delete it if nobody is to see it.",
                422,
            )

    def _begin(
        self, found: Recording, manifest: Manifest, actor: Actor, kind: str, out: Sequence[Span]
    ) -> None:
        """Writes down what is wanted: the markers, then that a change is under way."""
        markers = found.markers()
        kept = lecture_spans(markers, math.inf)
        extra = {"erase": True} if kind == "erase" else {}
        for begin, end in out:
            for first, last in class_spans(kept, begin, end):
                found.mark(CUT, first, **{"from": first, "to": last, "by": actor.name, **extra})
        if kind == "restore":
            found.mark(UNCUT, 0.0, by=actor.name)
        edit = {"kind": kind, "by": actor.name, "at": now_utc().isoformat()}
        if kind != "erase" and (manifest.edit or {}).get("kind") == "erase":
            edit["kind"] = "erase"  # one that could not be made yet is still to be made
        found.update(edit=edit)

    async def _told(self, found: Recording) -> RightsView:
        self._changed(found.folder)
        return await asyncio.to_thread(self._view, found)

    def _view(self, found: Recording) -> RightsView:
        manifest = found.manifest
        try:
            words = read_metadata(found.folder)
        except TargetError as error:
            raise ClassroomError("bad_metadata", error.message, error.remedy) from error
        return RightsView(
            recording=found.id,
            **words.model_dump(
                mode="json",
                include={"title", "course", "lecturer", "language", "licence", "description",
                         "visibility", "consent", "publish"}
            ),
            held=manifest.held,
            edit=manifest.edit,
            duration_s=manifest.duration_s,
            cut_s=float(manifest.measured.get("cut_s") or 0.0),
            can_restore=_can_restore(found),
            deliveries=self._outbox.of(found.id),
        )  # fmt: skip


def _can_restore(found: Recording) -> bool:
    return (found.products / "parts" / "uncut").is_dir()


def submit_due(outbox: Outbox, folder: Path) -> None:
    """Hand a recording to its targets, unless production still works on it and will do so."""
    state = production_state.load(folder)
    if state is None or state.handed_over:
        outbox.submit(folder)


def _allows(words: Metadata) -> bool:
    return words.publish and words.consent is not False

"""One decision about who may see a recording: in the room's own pages, and where it is published.

A target knows `private`, `unlisted`, `course` and `public`; here a whole campus can sign in, and
whoever has a link is let in as its course is. Each word stands for the nearest one of the other
side that shows the recording to nobody more.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from controller.rights import RightsView, Seen
from controller.state import Actor
from dashboard.room import Room
from dashboard.viewing import DEFAULT
from streaming.access import Visibility, read_visibility
from streaming.live import LiveRoom, open_manifest

PUBLISHED: dict[Visibility, Seen] = {
    Visibility.NOBODY: "private",
    Visibility.COURSE: "course",
    Visibility.CAMPUS: "course",
    Visibility.PUBLIC: "public",
}
HERE: dict[Seen, Visibility] = {
    "private": Visibility.NOBODY,
    "unlisted": Visibility.COURSE,
    "course": Visibility.COURSE,
    "public": Visibility.PUBLIC,
}


async def show_to(
    room: Room, live: LiveRoom, actor: Actor, recording: str, seen: Visibility
) -> None:
    """Let `seen` see it here, and whoever comes nearest where it is published.

    Raises ClassroomError; then nothing has changed.
    """
    wanted = PUBLISHED[seen]
    if (await room.rights.show(recording)).visibility != wanted:
        await room.rights.correct(actor, recording, {"visibility": wanted})
    folder = await asyncio.to_thread(room.recording_folder, recording)
    await asyncio.to_thread(live.set_visibility, folder, seen)


async def follow(live: LiveRoom, folder: Path, told: RightsView) -> None:
    """The room's own pages, live and afterwards, follow what was decided for the targets."""
    await asyncio.to_thread(_follow, live, folder, told.visibility)


def _follow(live: LiveRoom, folder: Path, seen: Seen) -> None:
    course = open_manifest(folder).course
    # Where nobody has said anything, the live page stands on another word than the review page.
    now = {read_visibility(folder, default) for default in (DEFAULT, live.default_for(course))}
    if any(PUBLISHED[one] != seen for one in now):
        live.set_visibility(folder, HERE[seen])

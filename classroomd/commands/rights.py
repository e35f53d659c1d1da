"""`classroomd recordings hold|release|trim|restore|withdraw|erase`: decisions about recordings."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.commands.recordings import ROOM, ConfigFile, Json, Name, locate
from classroomd.output import USAGE, err, fail, out, show_json, show_table
from classroomd.places import PlaceError, RoomLock
from controller.config import RoomConfig
from controller.errors import ClassroomError
from controller.journal import Journal, JournalError
from controller.rights import Rights, RightsView
from controller.state import AccessRole, Actor
from recorder.recording import Recording, find

Decide = Callable[[Rights, Actor, str], Awaitable[RightsView]]
Cut = Annotated[
    list[str] | None,
    typer.Option("--cut", help="FROM-TO in seconds of the lecture; repeat for more."),
]


def hold(
    name: Name,
    why: Annotated[str, typer.Option(help="For those who ask.")] = "",
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Let nothing of a recording out; deliveries under way are recalled."""
    decided(name, config_file, as_json, "hold", {"why": why}, lambda r, a, i: r.hold(a, i, why))


def release(name: Name, config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Let a held recording go to where it is published."""
    decided(name, config_file, as_json, "release", {}, lambda r, a, i: r.release(a, i))


def trim(
    name: Name,
    start: Annotated[float | None, typer.Option(help="Keep from this second on.")] = None,
    end: Annotated[float | None, typer.Option(help="Keep up to this second.")] = None,
    cut: Cut = None,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Cut a lecture's start, its end, or out of its middle; the original tracks stay."""
    cuts = spans(cut, as_json=as_json)
    decided(
        name,
        config_file,
        as_json,
        "trim",
        {"start": start, "end": end, "cuts": cuts},
        lambda r, a, i: r.trim(a, i, start=start, end=end, cuts=cuts),
    )


def restore(name: Name, config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Take all cuts of a lecture back."""
    decided(name, config_file, as_json, "restore", {}, lambda r, a, i: r.restore(a, i))


def withdraw(
    name: Name,
    target: Annotated[str | None, typer.Option("--from", help="One target; else all.")] = None,
    last_copy: Annotated[
        bool, typer.Option("--last-copy", help="Also when no copy will be left.")
    ] = False,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Take a recording back from where it was published."""
    decided(
        name,
        config_file,
        as_json,
        "withdraw",
        {"target": target, "last_copy": last_copy},
        lambda r, a, i: r.withdraw(a, i, target, last_copy=last_copy),
    )


def erase(
    name: Name,
    cut: Cut = None,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Destroy spans for good, in the lecture and in the original tracks."""
    cuts = spans(cut, as_json=as_json)
    if not cuts:
        fail("name what is to be erased: --cut FROM-TO", code=USAGE, as_json=as_json)
    decided(
        name,
        config_file,
        as_json,
        "erase",
        {"spans": cuts},
        lambda r, a, i: r.trim(a, i, cuts=cuts, erase=True),
    )


def correct(
    name: Name,
    title: Annotated[str | None, typer.Option(help="Another title.")] = None,
    course: Annotated[str | None, typer.Option(help="As the platforms call it.")] = None,
    lecturer: Annotated[str | None, typer.Option(help="Who held the class.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    licence: Annotated[str | None, typer.Option(help="An SPDX identifier or an address.")] = None,
    visibility: Annotated[
        str | None, typer.Option(help="private, unlisted, course or public.")
    ] = None,
    consent: Annotated[
        bool | None, typer.Option("--consent/--no-consent", help="What the lecturer says.")
    ] = None,
    publish: Annotated[
        bool | None, typer.Option("--publish/--no-publish", help="Whether it may go out.")
    ] = None,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Correct what is told about a recording; what was published follows."""
    given: dict[str, Any] = {
        "title": title,
        "course": course,
        "lecturer": lecturer,
        "description": description,
        "licence": licence,
        "visibility": visibility,
        "consent": consent,
        "publish": publish,
    }
    words = {key: value for key, value in given.items() if value is not None}
    if not words:
        fail("say what is to be corrected, for example --visibility", code=USAGE, as_json=as_json)
    decided(name, config_file, as_json, "rights", words, lambda r, a, i: r.correct(a, i, words))


def spans(given: list[str] | None, *, as_json: bool) -> list[tuple[float, float]]:
    """`12.5-40` as seconds; ends with a usage error that names what it cannot read."""
    found = []
    for text in given or []:
        begin, _, end = text.partition("-")
        try:
            found.append((float(begin), float(end)))
        except ValueError:
            fail(f"--cut {text}: write FROM-TO in seconds, as 12.5-40", code=USAGE, as_json=as_json)
    return found


def decided(
    name: str, config_file: Path, as_json: bool, verb: str, body: dict[str, Any], decide: Decide
) -> None:
    """Has the daemon decide, or does it here when none is running, and shows what stands."""
    config = config_command.load(config_file, as_json=as_json)
    recording = locate(name, config_file, as_json=as_json)
    try:
        door = RoomClient.find(config)
        if door is not None:
            with door:
                ask = door.patch if verb == "rights" else door.post
                shown = ask(f"/recordings/{recording.id}/{verb}", body)
        else:
            with RoomLock(config), Progress(console=err, transient=True, disable=as_json) as bar:
                bar.add_task(verb, total=None)
                shown = asyncio.run(_alone(config, recording, decide)).model_dump(mode="json")
    except (ClientError, PlaceError, JournalError) as error:
        fail(str(error), as_json=as_json)
    except ClassroomError as error:
        fail(str(error), as_json=as_json)
    failed = (shown["edit"] or {}).get("error")
    if as_json:
        show_json(shown)
    else:
        state = "held" if shown["held"] else shown["visibility"]
        out.print(f"{recording.id} {shown['title']}: {state}, {shown['duration_s'] or 0:.1f} s")
        for one in shown["deliveries"]:
            words = " ".join(filter(None, (one["state"], one["detail"], one["remedy"])))
            out.print(f"  {one['target']}: {words}")
        if failed:
            err.print(f"[bold red]error:[/] {failed}")
    if failed:
        raise typer.Exit(1)


async def _alone(config: RoomConfig, recording: Recording, decide: Decide) -> RightsView:
    """Decides without a daemon, and waits until cuts are made and targets have answered."""
    from controller.edits import Edits
    from controller.health import AlarmBoard
    from controller.outbox import Outbox
    from publishing.delivery import DeliveryWorker

    root = config.storage.recordings
    worker = DeliveryWorker(root, config.publish)
    alarms = AlarmBoard(lambda _: None)
    outbox = Outbox(worker, config.publish, alarms)
    outbox.waits = lambda _: True  # what is to be delivered is delivered by the daemon
    journal = Journal(config.storage.state / "journal.db")
    await journal.open()
    worker.adopt(recording.folder)
    edits = Edits(root, alarms, changed=lambda _: None, done=lambda _: None)

    async def note(actor: Actor, kind: str, data: dict[str, Any]) -> None:
        await journal.enter(actor, kind, data=data)

    actor = Actor(name=getpass.getuser(), role=AccessRole.ADMIN, door="cli")
    rights = Rights(lambda name: find(root, name).folder, outbox, edits, note, lambda _: None)
    try:
        shown = await decide(rights, actor, recording.folder.name)
        if shown.edit is not None and "error" not in shown.edit:
            await edits.carry_out(recording.folder)
        await worker.taken_back(recording.folder)
        return await rights.show(recording.folder.name)
    finally:
        await journal.close()


def person(
    name: Annotated[str, typer.Argument(help="The person's name, as people write it.")],
    erase: Annotated[bool, typer.Option("--erase", help="Erase what is found.")] = False,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Find a person's data in the room's records and recordings, and erase them on request."""
    config = config_command.load(config_file, as_json=as_json)
    verb = "erase" if erase else "find"
    try:
        door = RoomClient.find(config)
        if door is not None:
            with door:
                found = door.post(f"/persons/{verb}", {"name": name})["found"]
        else:
            with RoomLock(config):
                found = asyncio.run(_person(config, name, verb))
    except (ClientError, PlaceError, JournalError, ValueError) as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["recording"] or one["where"],
            one["what"],
            one["count"],
            ", ".join(f"{t:.0f} s" for t in one["at_s"]),
        )
        for one in found
    ]
    show_table("Erased" if erase else "Found", ("where", "what", "times", "said at"), rows)


async def _person(config: RoomConfig, name: str, verb: str) -> list[dict[str, Any]]:
    from controller.persons import Persons

    persons = Persons(config.storage.recordings, config.storage.state)
    found = persons.erase(name)[0] if verb == "erase" else persons.find(name)
    journal = Journal(config.storage.state / "journal.db")
    await journal.open()
    actor = Actor(name=getpass.getuser(), role=AccessRole.ADMIN, door="cli")
    counts = {f"{one.where}: {one.what}": one.count for one in found}
    await journal.enter(actor, f"{verb}_person", data={"found": counts})
    await journal.close()
    return [one.model_dump(mode="json") for one in found]


COMMANDS = (correct, person, hold, release, trim, restore, withdraw, erase)

"""An entry of a Moodle database activity that stands for a lecture: a catalogue to search in.

Source: mod_data's external functions (mod_data_get_databases_by_courses, get_fields,
search_entries, add_entry, update_entry, delete_entry). A file field holds one file and takes the
id of a draft area as JSON; the upload limits of the course are not looked at. Fields that an update
does not name keep what they have, but a required one must be named. Adding is not
idempotent, so the entry is looked for by the recording's id before one is added.
"""

from __future__ import annotations

import json
from typing import Any

from publishing.errors import ErrorKind, TargetError
from publishing.metadata import Metadata
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.target import ArrivedFile, Receipt
from publishing.targets import moodle_post
from publishing.targets.moodle_wire import Wire

FUNCTIONS = (
    "core_course_get_courses_by_field",
    "mod_data_get_databases_by_courses",
    "mod_data_get_fields",
    "mod_data_search_entries",
    "mod_data_add_entry",
    "mod_data_update_entry",
)
_ORDER = (Kind.LECTURE, Kind.CAPTIONS, Kind.POSTER)


class Database:
    """The database called `name` of a course. Its first text field takes the title, its first
    text area what the lecture is about, and its file fields, in their order, lecture, captions and
    poster, as many as there are.
    """

    def __init__(self, wire: Wire, name: str, target: str, proof: str) -> None:
        self._wire = wire
        self._name = name
        self._target = target
        self._proof = proof

    async def send(self, shipment: Shipment, course: int) -> None:
        """One entry with the files that its fields take. Raises TargetError."""
        database, fields = await self._fields(course)
        chosen = _chosen(shipment, fields)
        values = _words(shipment.metadata, fields)
        drafts = shipment.notes.setdefault("drafts", {})
        for product, field in chosen:
            known = drafts.get(product.name)
            if known is None or known["stamp"] != product.stamp or shipment.notes.get("used"):
                item, name = await self._wire.upload(shipment, product, 0)
                known = drafts[product.name] = {"stamp": product.stamp, "id": item, "name": name}
                await shipment.save()
            shipment.at(product, product.size)
            values.append({"fieldid": field, "value": json.dumps(known["id"])})
        entry = await self._find(shipment, database)
        shipment.notes["used"] = True  # a damaged entry wants its files sent anew
        await shipment.save()
        if entry is not None:
            told = await self._wire.call("mod_data_update_entry", entryid=entry["id"], data=values)
            self._accepted(told, told.get("updated"))
        else:
            told = await self._wire.call(
                "mod_data_add_entry", databaseid=database, groupid=0, data=values
            )
            self._accepted(told, told.get("newentryid"))
        shipment.notes["used"] = False

    async def verify(self, shipment: Shipment, course: int) -> Receipt:
        """What the entry holds. Raises TargetError (absent)."""
        database, fields = await self._fields(course)
        entry = await self._find(shipment, database)
        if entry is None:
            raise TargetError(ErrorKind.ABSENT, "Moodle has no entry about it yet.")
        held = {one["fieldid"]: one.get("files", []) for one in entry["contents"]}
        files: list[ArrivedFile] = []
        for product, field in _chosen(shipment, fields):
            file = next(iter(held.get(field, [])), None)
            try:
                files.append(await self._wire.compare(shipment, product, file))
            except TargetError:
                shipment.notes["used"] = True
                raise
        await shipment.delete_older(self._delete)
        return Receipt(
            target=self._target,
            how="hash" if self._proof == "hash" else "size",
            files=files,
            place=f"{self._wire.url}/mod/data/view.php?d={database}&rid={entry['id']}",
            reference=str(entry["id"]),
        )

    async def reword(self, shipment: Shipment, course: int) -> None:
        """The entry's words as they are now; its files stay, where Moodle lets them."""
        database, fields = await self._fields(course)
        entry = await self._find(shipment, database)
        if entry is None:
            return
        values = _words(shipment.metadata, fields)
        told = await self._wire.call("mod_data_update_entry", entryid=entry["id"], data=values)
        if not told.get("updated"):
            await self.send(shipment, course)

    async def withdraw(self, shipment: Shipment, course: int) -> None:
        """Delete the entry; one that is gone is no error."""
        database, _ = await self._fields(course)
        if (entry := await self._find(shipment, database)) is not None:
            await self._delete(entry["id"])
        await shipment.delete_older(self._delete)

    async def _delete(self, entry: int) -> None:
        await self._wire.call("mod_data_delete_entry", gone=True, entryid=entry)

    def _accepted(self, told: dict[str, Any], done: Any) -> None:
        if not done:
            notes = [n["notification"] for n in told.get("fieldnotifications", [])]
            raise TargetError(
                ErrorKind.BLOCKED,
                f"Moodle took no entry: {'; '.join(notes) or 'it does not say why'}.",
                f"Look at the fields of the database {self._name} and who may add entries.",
            )

    async def _fields(self, course: int) -> tuple[int, dict[str, list[int]]]:
        """The database's id, and its fields by type."""
        told = await self._wire.call("mod_data_get_databases_by_courses", courseids=[course])
        found = [int(one["id"]) for one in told["databases"] if one["name"] == self._name]
        if not found:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The course has no database {self._name}.",
                "Create it, or correct `database`.",
            )
        fields: dict[str, list[int]] = {"text": [], "textarea": [], "file": []}
        told = await self._wire.call("mod_data_get_fields", databaseid=found[0])
        for field in told["fields"]:
            fields.setdefault(field["type"], []).append(int(field["id"]))
        if missing := [kind for kind in ("text", "textarea", "file") if not fields[kind]]:
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The database {self._name} has no field of the type {', '.join(missing)}.",
                "Add a short text, a text area and one or more file fields.",
            )
        return found[0], fields

    async def _find(self, shipment: Shipment, database: int) -> dict[str, Any] | None:
        """The entry about this recording, by its id in the text.

        One that stands in another database, because the course was corrected, is older.
        """
        mark = shipment.metadata.mark
        told = await self._wire.call(
            "mod_data_search_entries", databaseid=database, search=mark, returncontents=1
        )
        known = shipment.notes.get("entry")
        if known and known["database"] != database:
            shipment.older.append(known["id"])
            del shipment.notes["entry"]
            await shipment.save()
        for entry in told["entries"]:
            texts = [one.get("content") or "" for one in entry.get("contents", [])]
            if any(moodle_post.is_about(shipment.metadata, text) for text in texts):
                shipment.notes["entry"] = {"id": entry["id"], "database": database}
                return dict(entry)
        return None


def _words(about: Metadata, fields: dict[str, list[int]]) -> list[dict[str, Any]]:
    title, area = fields["text"][0], fields["textarea"][0]
    told = json.dumps(moodle_post.about(about))
    return [
        {"fieldid": title, "value": json.dumps(_title(about))},
        {"fieldid": area, "subfield": f"field_{area}", "value": told},
    ]


def _title(about: Metadata) -> str:
    return f"{about.title} ({about.date})"[:255]


def _chosen(shipment: Shipment, fields: dict[str, list[int]]) -> list[tuple[Product, int]]:
    """The products that get a field of their own, in the order of the fields."""
    ordered = sorted(shipment.of(*_ORDER), key=lambda product: _ORDER.index(product.kind))
    return list(zip(ordered, fields["file"], strict=False))

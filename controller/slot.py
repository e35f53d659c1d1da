"""One class of the timetable: when it is, and what the calendar says about it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Slot(BaseModel):
    """`starts` and `ends` are UTC. `id` stays the same when this one class is moved.

    `event` is the identifier under which Opencast scheduled it, `properties` what Opencast wants
    back with the recording (workflow and its configuration); both are empty for other calendars.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    uid: str
    title: str
    course: str | None = None
    course_title: str | None = None
    lecturer: str | None = None
    description: str = ""
    location: str = ""
    starts: datetime
    ends: datetime
    event: str | None = None
    properties: dict[str, str] = Field(default_factory=dict)

    def manifest(self) -> dict[str, object]:
        """What the recording's manifest keeps of it, beside title, course and lecturer."""
        kept: dict[str, object] = {
            "timetable": {
                "slot": self.id,
                "uid": self.uid,
                "starts": self.starts.isoformat(),
                "ends": self.ends.isoformat(),
                "location": self.location,
                "properties": self.properties,
            }
        }
        more = {
            "course_title": self.course_title,
            "description": self.description,
            "event": self.event,
        }
        return kept | {key: value for key, value in more.items() if value}

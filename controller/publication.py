"""`[rights]` and `[[courses]]`: what a class's recording may become, before anyone says otherwise.

The timetable names a course as the campus calls it; a rule of `[[courses]]` says how the platforms
call it, and what holds for its recordings. The first rule that matches counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Visibility = Literal["private", "unlisted", "course", "public"]


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def told(self) -> dict[str, Any]:
        """What is said, as the manifest holds it."""
        return self.model_dump(
            exclude_none=True,
            include={"visibility", "consent", "publish", "licence", "course_title", "language"},
        )


class RightsSection(_Rules):
    """`[rights]`: who may see recordings, and whether lecturers have agreed, in general.

    `consent`: left out, nobody was asked. `publish = false` lets nothing out by itself.
    """

    visibility: Visibility = "course"
    consent: bool | None = None
    publish: bool = True
    licence: str | None = None


class CourseRule(_Rules):
    """`[[courses]]`: `match` is the timetable's course (`*` and `?` stand for anything).

    `course` is what the platforms call it (Moodle's idnumber, Canvas's SIS id, Opencast's
    series), with `{course}` for the timetable's own word. `keep_days` stands before that of
    `[storage]`.
    """

    match: str = Field(min_length=1)
    course: str | None = None
    course_title: str | None = None
    language: str | None = None
    visibility: Visibility | None = None
    consent: bool | None = None
    publish: bool | None = None
    licence: str | None = None
    keep_days: int | None = Field(None, ge=0)


def rule_for(course: str | None, rules: Sequence[CourseRule]) -> CourseRule | None:
    """The rule for this course, as the timetable or the platforms call it."""
    if course is None:
        return None
    for rule in rules:
        if fnmatchcase(course.casefold(), rule.match.casefold()):
            return rule
    return next((rule for rule in rules if rule.course == course), None)


def manifest_fields(
    course: str | None, rights: RightsSection, rules: Sequence[CourseRule]
) -> dict[str, Any]:
    """What a new recording of this course is told at its beginning."""
    fields = rights.told()
    rule = rule_for(course, rules)
    if rule is not None:
        fields |= rule.told()
        if rule.course is not None:
            fields["course"] = re.sub(r"\{course\}", lambda _: course or "", rule.course)
    return fields


def keep_days(course: str | None, rules: Sequence[CourseRule], otherwise: int | None) -> int | None:
    """How many days a recording of this course stays here after it is proved to be elsewhere."""
    rule = rule_for(course, rules)
    return rule.keep_days if rule is not None and rule.keep_days is not None else otherwise

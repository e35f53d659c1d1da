"""Whose a class is: a lecturer's figures and reports are of their own classes.

A class is its lecturer's. Where it names none it is whoever began it, and those who hold other
classes of its course. Names are compared without regard to case, as recordings' rights do.
"""

from __future__ import annotations

from controller.journal import Journal
from controller.session import Session


class Own:
    """The classes of the lecturer `name`, as the journal knows them now."""

    def __init__(self, name: str, courses: set[str], begun: set[str]) -> None:
        self._name, self._courses, self._begun = name.casefold(), courses, begun

    @classmethod
    async def of(cls, journal: Journal, name: str) -> Own:
        """Reads what `name` holds."""
        same = name.casefold()
        held = await journal.read(
            "SELECT DISTINCT json_extract(body, '$.lecturer'), json_extract(body, '$.course')"
            " FROM sessions",
            (),
        )
        courses = {course for who, course in held if course and (who or "").casefold() == same}
        begun = await journal.read("SELECT session, actor FROM events WHERE kind = 'start'", ())
        return cls(name, courses, {one for one, actor in begun if actor.casefold() == same})

    def holds(self, session: Session) -> bool:
        """Is it theirs?"""
        if session.lecturer:
            return session.lecturer.casefold() == self._name
        return session.id in self._begun or session.course in self._courses

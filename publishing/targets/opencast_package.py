"""What Opencast is told about an event, and what its archive tells back.

Dublin Core as the ingest service reads it; access as an XACML 2.0 policy of the form that
Opencast's own XACMLUtils writes (one permit rule for each role and action, then a deny).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import httpx

from publishing.errors import ErrorKind, TargetError
from publishing.metadata import Metadata, Visibility

MP = "{http://mediapackage.opencastproject.org}"
_X = "urn:oasis:names:tc:xacml"
_STRING = "http://www.w3.org/2001/XMLSchema#string"


def dublin_core(metadata: Metadata, event: str, series: str) -> str:
    end = metadata.ended.strftime("%Y-%m-%dT%H:%M:%SZ")
    start = metadata.started.strftime("%Y-%m-%dT%H:%M:%SZ")
    return catalog(
        {
            "identifier": event,
            "title": metadata.title,
            "creator": metadata.lecturer,
            "created": start,
            "temporal": f"start={start}; end={end}; scheme=W3C-DTF;",
            "spatial": metadata.room,
            "language": metadata.language,
            "license": metadata.licence,
            "description": metadata.text(),
            "accessRights": metadata.visibility.value,
            "isPartOf": series,
        }
    )


def catalog(terms: dict[str, str | None]) -> str:
    lines = "".join(
        f"<dcterms:{name}>{escape(value)}</dcterms:{name}>"
        for name, value in terms.items()
        if value
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<dublincore xmlns="http://www.opencastproject.org/xsd/1.0/dublincore/"'
        f' xmlns:dcterms="http://purl.org/dc/terms/">{lines}</dublincore>'
    )


def archived(answer: httpx.Response) -> dict[tuple[str, str], dict[str, float | None]]:
    """(flavor, language tag) → `algorithm:hex` → seconds of the tracks in the archive."""
    try:
        package = ET.fromstring(answer.content)  # noqa: S314 - expat guards against expansion
    except ET.ParseError as error:
        raise TargetError(ErrorKind.RETRY, "Opencast's media package cannot be read.") from error
    held: dict[tuple[str, str], dict[str, float | None]] = {}
    for track in package.iter(f"{MP}track"):
        checksum = track.find(f"{MP}checksum")
        duration = track.findtext(f"{MP}duration") or ""
        tags = [tag.text or "" for tag in track.iter(f"{MP}tag")]
        tag = next((one for one in tags if one.startswith("lang:")), "")
        if checksum is not None:
            digest = f"{checksum.get('type')}:{(checksum.text or '').lower()}"
            seconds = int(duration) / 1000 if duration.isdigit() else None
            held.setdefault((track.get("type", ""), tag), {})[digest] = seconds
    return held


def roles(about: Metadata, given: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Role → actions. `given` names them for this site, with `{course}` in it; else by visibility.

    Course roles are those of Opencast's LTI integration. Nobody but the owner and administrators
    sees what is private.
    """
    course = about.course or ""
    if given:
        return {role.format(course=course): list(actions) for role, actions in given.items()}
    if about.visibility is Visibility.COURSE and course:
        return {f"{course}_Learner": ["read"], f"{course}_Instructor": ["read", "write"]}
    if about.visibility in (Visibility.PUBLIC, Visibility.UNLISTED):
        return {"ROLE_ANONYMOUS": ["read"]}
    return {}


def policy(event: str, permits: Mapping[str, Sequence[str]]) -> str:
    """The event's access policy."""

    def value(text: str) -> str:
        return f'<AttributeValue DataType="{_STRING}">{escape(text)}</AttributeValue>'

    rules = "".join(
        f'<Rule RuleId="{escape(role)}_{escape(action)}_Permit" Effect="Permit"><Target><Actions>'
        f'<Action><ActionMatch MatchId="{_X}:1.0:function:string-equal">{value(action)}'
        f'<ActionAttributeDesignator AttributeId="{_X}:1.0:action:action-id"'
        f' DataType="{_STRING}"/></ActionMatch></Action></Actions></Target><Condition>'
        f'<Apply FunctionId="{_X}:1.0:function:string-is-in">{value(role)}'
        f'<SubjectAttributeDesignator AttributeId="{_X}:2.0:subject:role"'
        f' DataType="{_STRING}"/></Apply></Condition></Rule>'
        for role, actions in permits.items()
        for action in actions
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<Policy PolicyId="{event}" Version="2.0" RuleCombiningAlgId="{_X}:1.0:'
        f'rule-combining-algorithm:permit-overrides" xmlns="{_X}:2.0:policy:schema:os">'
        f'<Target><Resources><Resource><ResourceMatch MatchId="{_X}:1.0:function:string-equal">'
        f"{value(event)}"
        f'<ResourceAttributeDesignator AttributeId="{_X}:1.0:resource:resource-id"'
        f' DataType="{_STRING}"/></ResourceMatch></Resource></Resources></Target>'
        f'{rules}<Rule RuleId="DenyRule" Effect="Deny"/></Policy>'
    )

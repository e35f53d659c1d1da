"""`[lti]`: course platforms (Moodle, Canvas, …) that open this room's pages by LTI 1.3.

Each trusts the other by what is written here: who the platform is, and where its keys lie.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LIS = "https://purl.imsglobal.org/spec/lti/claim/lis"


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_guarded(url: str) -> str:
    parts = urlsplit(url)
    local = parts.scheme == "http" and _is_local(parts.hostname or "")
    if not parts.hostname or (parts.scheme != "https" and not local):
        raise ValueError("this must begin with https://: what comes from there is trusted")
    return url


def _is_origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or url != origin_of(url):
        raise ValueError("this is no origin; write only scheme and host: https://lms.example")
    return url


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


Guarded = Annotated[str, AfterValidator(_is_guarded), Field(max_length=500)]
Origin = Annotated[str, AfterValidator(_is_origin), Field(max_length=200)]


class LtiPlatform(BaseModel):
    """`[[lti.platforms]]`: one registration of this room as an external tool.

    `course`: which of the platform's names for a course is the one of the recordings
    (`idnumber`: the sourced id of its section, Moodle's course ID number; `label`: its short name;
    `id`: the platform's own number). `courses` maps single ones, by the platform's own number.
    `frames`: more origins whose pages may show this room's in a frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(min_length=1, max_length=500)
    client_id: str = Field(min_length=1, max_length=255)
    deployment_ids: list[str] = Field(min_length=1)
    auth_url: Guarded
    jwks_url: Guarded
    course: Literal["idnumber", "label", "id"] = "idnumber"
    courses: dict[str, str] = Field(default_factory=dict)
    frames: list[Origin] = Field(default_factory=list)

    def course_of(self, claims: dict[str, Any], context: dict[str, Any]) -> str | None:
        """What this room calls the course of a launch; None where the platform does not say."""
        mapped = self.courses.get(str(context.get("id", "")))
        if mapped is not None:
            return mapped
        if self.course == "idnumber":
            lis = claims.get(LIS)
            found = lis.get("course_section_sourcedid") if isinstance(lis, dict) else None
        else:
            found = context.get(self.course)
        return found if isinstance(found, str) and found else None

    @property
    def origins(self) -> set[str]:
        """Whose pages may show this room's in a frame."""
        known = {origin_of(self.auth_url), *self.frames}
        return known | ({self.issuer} if self.issuer == origin_of(self.issuer) else set())


class LtiSection(BaseModel):
    """`[lti]`: `address` is what browsers call this room (`https://room.example`), where a proxy
    in front does not pass the name on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Origin | None = None
    platforms: list[LtiPlatform] = Field(default_factory=list)

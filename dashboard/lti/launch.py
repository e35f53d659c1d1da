"""A launch: the platform's signed word on who comes, from which course, and what they open.

LTI Core 1.3 (messages, claims), IMS Security Framework 1.0 section 5.1.3 (what must be checked of
an ID token), LTI Deep Linking 2.0. Every refusal has words of its own.
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError

from controller.course_platforms import LtiPlatform, origin_of
from dashboard.lti.keys import ALGORITHM, PlatformKeys
from dashboard.lti.login import AGAIN
from dashboard.problems import ProblemError

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"
VERSION = "1.3.0"
RESOURCE, CHOICE = "LtiResourceLinkRequest", "LtiDeepLinkingRequest"
# Of the course itself; who teaches elsewhere may be a student in this one (LTI Core, A.2).
TEACHES = re.compile(
    r"(Instructor|ContentDeveloper|Administrator|Manager)"
    r"|http://purl\.imsglobal\.org/vocab/lis/v2/(membership"
    r"(#(Instructor|ContentDeveloper|Administrator|Manager)|/(Instructor|Administrator)#\w+)"
    r"|(system|institution)/person#(Administrator|SysAdmin))"
)
SKEW_S = 60
OLDEST_S = 600
MAX_TOKEN = 64 * 1024
CONFIGURE = "Check [[lti.platforms]] in room.toml against what the platform shows for this tool."


@dataclass(frozen=True)
class Launch:
    """What a platform has vouched for. `target`: the page of this room that is opened.

    `settings` are those of Deep Linking, None for a plain launch.
    """

    platform: LtiPlatform
    deployment: str
    subject: str | None
    course: str
    course_title: str
    teaches: bool
    target: str
    settings: dict[str, Any] | None


def _refuse(code: str, detail: str, remedy: str = CONFIGURE) -> ProblemError:
    return ProblemError(403, f"lti_{code}", detail, remedy)


async def verified(
    token: str, platform: LtiPlatform, keys: PlatformKeys, nonce: str
) -> dict[str, Any]:
    """The claims of an ID token that is this platform's, for this room, now, and for this login.

    Raises ProblemError.
    """
    header = _header(token)
    if header.get("alg") != ALGORITHM:
        raise _refuse(
            "algorithm",
            f"The launch is signed by {str(header.get('alg'))[:20]!r}; only {ALGORITHM} is taken.",
            "Set the platform to sign with RS256.",
        )
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _refuse(
            "no_kid", "The launch does not name the key it is signed with.", "Ask the platform."
        )
    try:
        claims = jwt.decode(token, await keys.find(kid), algorithms=[ALGORITHM]).claims
    except BadSignatureError:
        raise _refuse("signature", "The launch's signature is wrong.", AGAIN) from None
    except (JoseError, ValueError) as error:
        raise _refuse("token", f"The launch cannot be read ({error}).", AGAIN) from None
    _check(claims, platform, nonce)
    return claims


def _header(token: str) -> dict[str, Any]:
    first = token.partition(".")[0] if token.count(".") == 2 and len(token) <= MAX_TOKEN else ""
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ProblemError(400, "lti_token", "The launch carries no ID token.", AGAIN)
    return header


def _check(claims: dict[str, Any], platform: LtiPlatform, nonce: str) -> None:
    if claims.get("iss") != platform.issuer:
        raise _refuse(
            "issuer",
            f"The launch comes from {_word(claims.get('iss'))}, not from {platform.issuer}.",
        )
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if platform.client_id not in audiences:
        raise _refuse(
            "audience",
            f"The launch is for the client {_word(audience)}, not for this "
            f"room ({platform.client_id}).",
        )
    presenter = claims.get("azp")
    if (len(audiences) > 1 or presenter is not None) and presenter != platform.client_id:
        raise _refuse(
            "presenter",
            f"The launch was issued to {_word(presenter)}, not to this "
            f"room ({platform.client_id}).",
        )
    now = time.time()
    ends, issued = claims.get("exp"), claims.get("iat")
    if not _is_time(ends) or not _is_time(issued):
        raise _refuse("times", "The launch does not say from when to when it holds.", AGAIN)
    if ends <= now - SKEW_S:
        raise _refuse(
            "expired",
            f"The launch has expired {now - ends:.0f} s ago.",
            f"{AGAIN} If it stays like this, compare the clocks of room and platform.",
        )
    if issued > now + SKEW_S or issued < now - OLDEST_S:
        raise _refuse(
            "clock",
            f"The launch was issued {abs(now - issued):.0f} s "
            f"{'in the future' if issued > now else 'ago'}.",
            "Compare the clocks of room and platform.",
        )
    if claims.get("nonce") != nonce:
        raise _refuse("nonce", "The launch answers another login than the one begun here.", AGAIN)
    deployment = claims.get(f"{CLAIM}deployment_id")
    if deployment not in platform.deployment_ids:
        raise _refuse(
            "deployment",
            f"The launch comes from the deployment {_word(deployment)}, "
            "which this room does not know.",
            "Add it to deployment_ids under [[lti.platforms]] in room.toml.",
        )
    version = claims.get(f"{CLAIM}version")
    if version != VERSION:
        raise _refuse(
            "version",
            f"The launch speaks LTI {_word(version)}; this room {VERSION}.",
            "Set the tool to LTI 1.3 in the platform.",
        )


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Any) -> str:
    return repr(value)[:120] if value is not None else "nobody"


def read_launch(claims: dict[str, Any], platform: LtiPlatform, address: str) -> Launch:
    """What verified claims ask for. `address` is what browsers call this room.

    Raises ProblemError.
    """
    kind = claims.get(f"{CLAIM}message_type")
    if kind not in {RESOURCE, CHOICE}:
        raise _refuse(
            "message",
            f"This room does not know the message {_word(kind)}.",
            "Open the live page or a recording from the course.",
        )
    context = claims.get(f"{CLAIM}context")
    context = context if isinstance(context, dict) else {}
    course = platform.course_of(claims, context)
    if course is None:
        wanted = {
            "idnumber": "course ID number (sourced id)",
            "label": "short name",
            "id": "number",
        }[platform.course]
        raise _refuse(
            "no_course",
            f"The platform does not say the course's {wanted}.",
            "Give the course one in the platform, open it from inside a course, or set "
            "`course` or `courses` under [[lti.platforms]] in room.toml.",
        )
    roles = claims.get(f"{CLAIM}roles")
    roles = [one for one in roles if isinstance(one, str)] if isinstance(roles, list) else []
    settings = _settings(claims) if kind == CHOICE else None
    resource = claims.get(f"{CLAIM}resource_link")
    if kind == RESOURCE and not (isinstance(resource, dict) and resource.get("id")):
        raise _refuse("resource", "The launch does not say which link was opened.", AGAIN)
    subject = claims.get("sub")
    return Launch(
        platform=platform,
        deployment=str(claims[f"{CLAIM}deployment_id"]),
        subject=subject if isinstance(subject, str) and subject else None,
        course=course,
        course_title=str(context.get("title") or context.get("label") or course)[:200],
        teaches=any(TEACHES.fullmatch(role) for role in roles),
        target=own_page(claims.get(f"{CLAIM}target_link_uri"), address) if kind == RESOURCE else "",
        settings=settings,
    )


def own_page(target: Any, address: str) -> str:
    """Path and query of the page that a target names. Raises ProblemError unless it is ours."""
    if not isinstance(target, str) or origin_of(target) != address:
        raise _refuse(
            "target",
            f"The launch leads to {_word(target)}, not to this room ({address}).",
            "Correct the tool URL in the platform; behind a proxy, set "
            "`address` under [lti] in room.toml.",
        )
    parts = urlsplit(target)
    if parts.path in {"", "/", "/lti", "/lti/launch", "/lti/login"}:
        return "/live"
    steps = parts.path.split("/")
    page = steps[1] if len(steps) == 3 and steps[2] else ""
    if parts.path != "/live" and page not in {"review", "recordings"}:
        raise _refuse(
            "target",
            f"The launch leads to {parts.path[:120]!r}; a course opens the "
            "live page or a recording.",
            "Choose it anew in the course.",
        )
    kept = "&".join(one for one in parts.query.split("&") if one and not one.startswith("key="))
    return f"{parts.path}?{kept}" if kept else parts.path


def _settings(claims: dict[str, Any]) -> dict[str, Any]:
    settings = claims.get(f"{DEEP}deep_linking_settings")
    settings = settings if isinstance(settings, dict) else {}
    back = settings.get("deep_link_return_url")
    if not isinstance(back, str) or urlsplit(back).scheme not in {"https", "http"}:
        raise _refuse("no_return", "The platform does not say where a choice is sent.", AGAIN)
    types = settings.get("accept_types")
    if not isinstance(types, list) or "ltiResourceLink" not in types:
        raise _refuse(
            "no_link",
            "The platform takes no link to this room here.",
            "Choose it where the platform adds external tools.",
        )
    return settings

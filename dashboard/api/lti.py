"""LTI 1.3: a course platform's login, its launch, and what a lecturer chooses for the course."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from controller.course_platforms import origin_of
from controller.errors import ClassroomError
from dashboard.auth import Identity, anyone, declares
from dashboard.lti.choice import answer
from dashboard.lti.launch import MAX_TOKEN, Launch, own_page, read_launch, verified
from dashboard.lti.login import AGAIN
from dashboard.lti.page import LtiPage
from dashboard.lti.room import LtiRoom
from dashboard.problems import ProblemError
from dashboard.room import Room
from dashboard.viewing import open_to
from dashboard.watching import MEMBER_COOKIE, Live
from recorder.recording import RecordingError, read_manifest
from streaming.access import MEMBER_S
from streaming.live import LiveRoom

router = APIRouter(tags=["lti"])
api = APIRouter(prefix="/lti", tags=["lti"])

BROWSER_COOKIE = "classroomd_lti"
LONGEST = 4000
MAX_CHOICES = 100
LIVE = "live"
_BROWSER = re.compile(r"[\w-]{20,64}")


@declares("everyone")
async def _platform() -> None:
    """A course platform's page sends the browser here, from another site: that is its purpose."""


async def _lti(connection: HTTPConnection) -> LtiRoom:
    return connection.app.state.lti  # type: ignore[no-any-return]


Sent = Annotated[None, Depends(_platform)]
Lti = Annotated[LtiRoom, Depends(_lti)]
Anyone = Annotated[Identity | None, anyone]


class Entry(BaseModel):
    """The key that a launch left in the address of a new window."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "eyJ3aG8iOi…"}]})

    key: str = Field(max_length=LONGEST)


class Chosen(BaseModel):
    """What students of the course will open: `place` is `live` or a recording's id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ticket": "eyJpc3N1ZXIi…", "place": "live", "title": "Optics, live"}]
        }
    )

    ticket: str = Field(max_length=2 * MAX_TOKEN)  # holds what the platform wants back, signed
    place: str = Field(max_length=80)
    title: str = Field(min_length=1, max_length=200)


class ChoiceAnswer(BaseModel):
    """The signed answer that the page posts to the platform as the form field `JWT`."""

    return_url: str = Field(examples=["https://moodle.example/mod/lti/contentitem_return.php"])
    jwt: str = Field(examples=["eyJhbGciOiJSUzI1NiIs…"])


def _address(request: Request, lti: LtiRoom) -> str:
    return lti.address or origin_of(str(request.base_url))


def _is_https(request: Request) -> bool:
    """Whether browsers reach this room by https; a proxy in front may speak http with it."""
    return _address(request, request.app.state.lti).startswith("https://")


async def _shown(request: Request, act: Callable[[], Awaitable[Response]]) -> Response:
    """What `act` answers; a refusal as a page for those who look at pages."""
    try:
        return await act()
    except ProblemError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        told = {
            "kind": "problem",
            "code": error.code,
            "detail": str(error),
            "remedy": error.remedy,
        }
        page: LtiPage = request.app.state.lti_page
        return page.show(told, error.status)


async def _sent(request: Request) -> dict[str, str]:
    """The parameters, of the address or of a form; each once, none too long."""
    if request.method == "GET":
        return {name: value[:LONGEST] for name, value in request.query_params.items()}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ProblemError(
            400, "lti_form", "A course platform sends a form here.", "Open this from the course."
        )
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _need(sent: dict[str, str], *names: str) -> None:
    missing = [name for name in names if not sent.get(name)]
    if missing:
        raise ProblemError(
            400,
            "lti_missing",
            f"The course platform did not send {', '.join(missing)}.",
            "Open this from the course. Where that fails, check the tool's addresses in the "
            "platform: /lti shows them.",
        )


@router.get("/lti/login", include_in_schema=False)
@router.post("/lti/login", include_in_schema=False)
async def login(request: Request, lti: Lti, _: Sent) -> Response:
    """Begins a login that a platform asks for: sends the browser to it, to say who this is."""

    async def act() -> Response:
        sent = await _sent(request)
        _need(sent, "iss", "login_hint", "target_link_uri")
        known = lti.platform(sent["iss"], sent.get("client_id"), sent.get("lti_deployment_id"))
        address = _address(request, lti)
        own_page(sent["target_link_uri"], address)
        # The same one for several launches on one page of the course.
        browser = request.cookies.get(BROWSER_COOKIE, "")
        if not _BROWSER.fullmatch(browser):
            browser = secrets.token_urlsafe(24)
        to = lti.logins.begin(known, sent, f"{address}/lti/launch", browser)
        answered = RedirectResponse(to, 302, {"Cache-Control": "no-store"})
        _keep(request, answered, BROWSER_COOKIE, browser, "/lti", 600)
        return answered

    return await _shown(request, act)


@router.post("/lti/launch", include_in_schema=False)
async def launch(request: Request, room: Room, live: Live, lti: Lti, _: Sent) -> Response:
    """What the platform says of whoever opens a link in a course: leads to what it links to."""

    async def act() -> Response:
        sent = await _sent(request)
        if sent.get("error"):
            raise ProblemError(
                403,
                "lti_refused",
                f"The course platform refuses: {sent['error'][:60]} "
                f"{sent.get('error_description', '')[:200]}".strip(),
                "Sign in there, and open it again from the course.",
            )
        _need(sent, "state", "id_token")
        back = lti.logins.returned(sent["state"], request.cookies.get(BROWSER_COOKIE))
        known = lti.platform(back.issuer, back.client_id)
        claims = await verified(sent["id_token"], known, lti.keys(known), back.nonce)
        lti.logins.use(back.nonce)
        found = read_launch(claims, known, _address(request, lti))
        if found.settings is not None:
            return await _choose(request, room, lti, found)
        await asyncio.to_thread(_must_be_open, room, live, found)
        who = lti.pseudonym(known, found.subject or secrets.token_hex(16))
        if back.bound:
            answered = RedirectResponse(found.target, 303, {"Cache-Control": "no-store"})
            _keep_member(request, answered, live, who, found.course)
            return answered
        key = lti.windows.begin(who, found.course)
        page: LtiPage = request.app.state.lti_page
        told = {
            "kind": "window",
            "path": f"{found.target}#key={key}",
            "plain": not _is_https(request),
        }
        return page.show(told)

    return await _shown(request, act)


@router.get("/lti/jwks", include_in_schema=False)
async def jwks(lti: Lti, _: Anyone) -> dict[str, Any]:
    """This room's public key, for platforms to check its answers with (RFC 7517)."""
    return await lti.key.published()


@api.post("/enter", status_code=204)
async def enter(request: Request, live: Live, lti: Lti, _: Anyone, body: Entry) -> Response:
    """Lets this browser in by the key that a launch left in a new window's address, once."""
    ticket = lti.windows.read(body.key)
    lti.logins.use(ticket.nonce)
    answered = Response(status_code=204)
    _keep_member(request, answered, live, ticket.who, ticket.course)
    return answered


@api.post("/choice")
async def choose(request: Request, room: Room, lti: Lti, _: Anyone, body: Chosen) -> ChoiceAnswer:
    """The signed answer for what a lecturer has chosen, to be posted to the course platform."""
    choice = lti.choices.read(body.ticket)
    page = "/live"
    if body.place != LIVE:
        course = await asyncio.to_thread(_course_of, room, body.place)
        if course != choice.course:
            raise ProblemError(
                404, "unknown_recording", "There is no such recording of this course.", AGAIN
            )
        page = f"/review/{body.place}"
    url = _address(request, lti) + page
    signed = answer(choice, await lti.key.get(), body.title, url)
    return ChoiceAnswer(return_url=choice.return_url, jwt=signed)


# --- what a launch may open ----------------------------------------------------------------------


def _course_of(room: Classroom, recording: str) -> str | None:
    try:
        return read_manifest(room.recording_folder(recording)).course
    except (ClassroomError, RecordingError):
        return None


def _must_be_open(room: Classroom, live: LiveRoom, found: Launch) -> None:
    """Raise ProblemError when a launch leads to a recording that its course may not see."""
    place = urlsplit(found.target).path.split("/")[-1]
    if place == LIVE:
        return
    try:
        folder = room.recording_folder(place)
        manifest = read_manifest(folder)
    except (ClassroomError, RecordingError):
        raise ProblemError(
            404,
            "lti_no_recording",
            "The recording that this link leads to is not here any more.",
            "Choose another one in the course.",
        ) from None
    if manifest.course != found.course:
        raise ProblemError(
            403,
            "lti_other_course",
            f"This recording belongs to the course {manifest.course or '(none)'}, not to "
            f"{found.course}.",
            "Choose a recording of this course; an administrator maps names of courses under "
            "[[lti.platforms]] in room.toml.",
        )
    if not open_to(folder, manifest.life, is_staff=False, signed_in=False, is_invited=True):
        raise ProblemError(
            403,
            "lti_closed",
            "This recording is not open to its course.",
            "Its lecturer opens it on its page: who may see it.",
        )


async def _choose(request: Request, room: Classroom, lti: LtiRoom, found: Launch) -> Response:
    """The page on which a lecturer chooses."""
    if not found.teaches:
        raise ProblemError(
            403,
            "lti_not_teacher",
            "Only those who teach a course choose what it links to.",
            "Ask the course's teacher.",
        )

    def read() -> list[dict[str, str]]:
        fit: list[dict[str, str]] = []
        for view in room.recordings():
            if _course_of(room, view.id) == found.course and len(fit) < MAX_CHOICES:
                started = view.started.isoformat()
                fit.append({"place": view.id, "title": view.title, "started": started})
        return fit

    told = {
        "kind": "choose",
        "ticket": lti.choices.begin(found),
        "course": found.course_title,
        "zone": room.config.room.timezone,
        "recordings": await asyncio.to_thread(read),
    }
    page: LtiPage = request.app.state.lti_page
    back = str((found.settings or {})["deep_link_return_url"])
    return page.show(told, form_to=origin_of(back))


# --- cookies -------------------------------------------------------------------------------------


def _keep_member(
    request: Request, response: Response, live: LiveRoom, who: str, course: str
) -> None:
    key = live.links.make_member(who, course, request.cookies.get(MEMBER_COOKIE))
    _keep(request, response, MEMBER_COOKIE, key, "/", MEMBER_S)


def _keep(
    request: Request, response: Response, name: str, value: str, path: str, seconds: int
) -> None:
    """Set a cookie that also comes back from inside a platform's page, where that is possible.

    Over HTTPS it is of its own for each site that frames this one (CHIPS), which browsers keep
    that keep no cookies of third parties. Over HTTP a browser only keeps what belongs to the site
    on top; without SameSite it sends it with a form that is posted within two minutes.
    """
    flags = "; Secure; SameSite=None; Partitioned" if _is_https(request) else ""
    text = f"{name}={value}; HttpOnly; Max-Age={seconds}; Path={path}{flags}"
    response.headers.append("set-cookie", text)

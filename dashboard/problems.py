"""Errors as problem+json (RFC 9457): one clear sentence, and what to do about it."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from controller.errors import ClassroomError
from controller.journal import JournalError

log = logging.getLogger(__name__)

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "Too large",
    415: "Wrong kind of content",
    422: "Not understood",
    429: "Too many attempts",
    500: "Internal error",
    502: "Device failed",
    503: "Not ready",
    507: "Disk full",
}
HTTP_CODES = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method", "This address does not take that method."),
    413: ("too_large", ""),
}


class Problem(BaseModel):
    """The body of every error. `code` is stable and for programs; `remedy` is for people."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    remedy: str = ""


class ProblemError(Exception):
    """Raised by routes and dependencies; answered as a `Problem`."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        remedy: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.remedy = status, code, detail, remedy
        self.headers = headers or {}


def respond(
    status: int, code: str, detail: str, remedy: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """A `Problem` as an HTTP response."""
    problem = Problem(
        title=TITLES.get(status, "Error"), status=status, code=code, detail=detail, remedy=remedy
    )
    return JSONResponse(
        problem.model_dump(),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def _where(location: tuple[Any, ...]) -> str:
    parts = [str(part) for part in location if part not in {"body", "query", "path"}]
    return ".".join(parts) or "the request"


def _validation_sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return f"The body is not JSON: {first.get('ctx', {}).get('error', 'syntax error')}."
    more = len(error.errors()) - 1
    tail = f" ({more} more)" if more else ""
    return f"{_where(first['loc'])}: {first['msg']}{tail}."


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem+json answer."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return respond(error.status, error.code, error.detail, error.remedy, error.headers)

    async def on_classroom(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ClassroomError)
        return respond(error.status, error.code, str(error.message), error.remedy)

    async def on_journal(_: Request, error: Exception) -> JSONResponse:
        log.error("the journal failed: %s", error)
        return respond(
            503,
            "journal",
            "The room cannot keep this now.",
            "Try again. If it stays like this, the technician has to look at the disk.",
        )

    async def on_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return respond(
            422, "invalid", _validation_sentence(error), "See /api/openapi.json for what fits here."
        )

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        code, detail = HTTP_CODES.get(error.status_code, ("http", ""))
        return respond(error.status_code, code, detail or str(error.detail), headers=headers)

    async def on_crash(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return respond(
            500,
            "internal",
            "This did not work because of an error in classroomd.",
            "Try again; the log says what happened.",
        )

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(ClassroomError, on_classroom)
    app.add_exception_handler(JournalError, on_journal)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_crash)

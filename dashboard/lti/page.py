"""The page that a launch ends at when it does not lead on: a refusal, a choice, a new window."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import PlainTextResponse

from dashboard.first_frame import FirstFrames

NO_FRAME = "frame-ancestors 'none'"


def framed_by(policy: str, origins: list[str]) -> str:
    """The Content-Security-Policy `policy` for a page that `origins` may show in a frame."""
    return policy.replace(NO_FRAME, " ".join(["frame-ancestors 'self'", *origins]))


class LtiPage:
    """Sends the built page at `path`, told what it is to say."""

    def __init__(self, path: Path, frames: FirstFrames, policy: str) -> None:
        self._path, self._frames, self._policy = path, frames, policy

    def show(self, told: dict[str, Any], status: int = 200, form_to: str = "") -> Response:
        """`told` is what the page shows; `form_to`: an origin that it may send a form to."""
        try:
            frame = self._frames.of(self._path)
        except OSError:
            words = f"{told.get('detail', '')} {told.get('remedy', '')}".strip()
            return PlainTextResponse(words or "The pages are not built.", status_code=status)
        meta = f'<meta name="lti" content="{html.escape(json.dumps(told))}" />'.encode()
        policy = frame.policy(self._policy)
        if form_to:
            policy = policy.replace("form-action 'self'", f"form-action 'self' {form_to}")
        return Response(
            frame.body.replace(b"</title>", b"</title>" + meta, 1),
            status,
            {"Content-Security-Policy": policy, "Cache-Control": "no-store"},
            "text/html; charset=utf-8",
        )

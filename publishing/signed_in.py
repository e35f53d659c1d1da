"""Platforms that want a token with every request, and say in a code of their own what is wrong.

YouTube, PeerTube and Panopto differ in how a token is got and where the code stands; what follows
from it is the same, and stands here once. Kaltura, which answers 200 to everything, uses the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from publishing.errors import ErrorKind, TargetError
from publishing.http import Web


@dataclass(frozen=True)
class Meaning:
    """What a platform's error code means. `{code}` and `{said}` in the message are filled in."""

    kind: ErrorKind
    message: str
    remedy: str = ""
    retry_after: float | None = None

    def error(self, code: str, said: str = "") -> TargetError:
        """The TargetError for it."""
        message = self.message.format(code=code, said=said or code)
        return TargetError(self.kind, message, self.remedy, retry_after=self.retry_after)


def login_refused(who: str, target: str, what: str = "`user` and `secret`") -> TargetError:
    """The credentials themselves were refused."""
    return TargetError(
        ErrorKind.BLOCKED, f"{who} refused the login.", f"Check {what} of [[publish]] {target}."
    )


class SignedIn:
    """Sends each request with a token, renewed when the platform says that it ran out.

    `renew` gets a token. `expired` are the statuses that say that it ran out. `code` finds the
    platform's own error code in an answer, `meanings` says what it means.
    """

    def __init__(
        self,
        web: Web,
        renew: Callable[[], Awaitable[str]],
        *,
        expired: tuple[int, ...] = (401,),
        code: Callable[[Any], str] = lambda _: "",
        meanings: Mapping[str, Meaning] | None = None,
    ) -> None:
        self._web = web
        self._renew = renew
        self._expired = expired
        self._code = code
        self._meanings = meanings or {}
        self._token = ""

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request. It is made a second time with a new token, unless a body was streamed."""
        ok = more.pop("ok", (200,))
        headers = more.pop("headers", {})
        again = not hasattr(more.get("content"), "__anext__")
        while True:
            self._token = self._token or await self._renew()
            bearer = {**headers, "authorization": f"Bearer {self._token}"}
            # Refusals of every kind come here, because their bodies say more than their numbers.
            allowed = (*ok, *_READ)
            answer = await self._web.ask(method, url, ok=allowed, headers=bearer, **more)
            if answer.status_code in ok:
                return answer
            if answer.status_code in self._expired:
                self._token = ""
                if again:
                    again = False
                    continue
                if answer.status_code == 401:  # the login itself would say that it is refused
                    raise TargetError(ErrorKind.RETRY, f"The token of {self._web.who} ran out.")
            raise self.refusal(answer)

    def refusal(self, answer: httpx.Response) -> TargetError:
        """What an answer means, by its code if that is known."""
        try:
            code = str(self._code(answer.json()) or "")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            code = ""
        if (meaning := self._meanings.get(code)) is not None:
            return meaning.error(code)
        return self._web.refusal(answer)


_READ = (400, 401, 403, 413)

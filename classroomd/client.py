"""The command line's way to a running daemon: HTTP over its local socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import httpx

from classroomd.places import control_socket
from controller.config import RoomConfig


class ClientError(Exception):
    """The daemon refused or went away. The text says what to do."""


class RoomClient:
    """Speaks to the daemon of one room. Use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(path)),
            base_url="http://room/api/v1",
            timeout=httpx.Timeout(60.0, connect=2.0),
        )

    @classmethod
    def find(cls, config: RoomConfig) -> Self | None:
        """A client of the room's daemon, or None when none is running."""
        client = cls(control_socket(config))
        try:
            client._http.get("/me")
        except httpx.TransportError:
            client._http.close()
            return None
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer. Raises ClientError with the daemon's own words."""
        return self._answer("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON answer. Raises ClientError with the daemon's own words."""
        return self._answer("POST", path, json={} if body is None else body)

    def patch(self, path: str, body: Any) -> Any:
        """The JSON answer. Raises ClientError with the daemon's own words."""
        return self._answer("PATCH", path, json=body)

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ClientError(f"the daemon went away ({error}); see its log") from error
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
            said = f"{problem.get('detail', '')} {problem.get('remedy', '')}".strip()
        except ValueError:
            said = f"the daemon answered {answer.status_code}"
        raise ClientError(said)

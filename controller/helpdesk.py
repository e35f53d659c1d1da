"""A call for help from the panel: an alarm for the technician, and whom else the room tells.

The alarm reaches the console, MQTT and the journal by themselves; a webhook and a mail go out
beside it, with what the room looks like now. The panel is told as soon as a technician answers.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import httpx
import structlog

from controller.config import RoomConfig, SecretError, resolve_secret
from controller.errors import ClassroomError
from controller.health import Words
from controller.register import Register
from controller.session import now_utc
from controller.state import Actor, HelpView, RoomView

_log = structlog.get_logger(__name__)

TIMEOUT_S = 15.0
TRIES = 3
AGAIN_S = 5.0
_ALARM = "help.call"


class HelpDesk:
    """One open call at most; calling again adds to it."""

    def __init__(
        self,
        config: RoomConfig,
        register: Register,
        publish: Callable[[Any, Any], None],
        room: Callable[[], RoomView],
    ) -> None:
        self._config = config
        self._register = register
        self._publish = publish
        self._room = room
        self._call = HelpView(phone=config.help.phone)

    def view(self) -> HelpView:
        """Where the call stands."""
        return self._call

    async def call(self, actor: Actor, note: str = "") -> HelpView:
        """Somebody in the room needs a technician."""
        known = self._call.state == "called"
        note = note.strip()[:500] or (self._call.note if known else "")
        if known and note == self._call.note:
            return self._call
        self._tell(
            state="called", at=self._call.at if known else now_utc(), by=actor.name, note=note
        )
        name = self._config.room.name
        said = f"{name} asks for help" + (f": {note}" if note else ".")
        self._register.alarms.set(
            _ALARM,
            Words("critical", "technician", said, "Answer the call, then call or go to the room."),
        )
        await self._register.note(actor, "help", {"note": note})
        self._register.in_background(self._send(said), "help call")
        return self._call

    async def answer(self, actor: Actor) -> HelpView:
        """A technician takes care of it; `no_call` (409) when nobody called."""
        if self._call.state == "none":
            raise ClassroomError("no_call", "Nobody has called for help.", "")
        self._register.alarms.set(_ALARM, None)
        await self._register.note(actor, "help_answered")
        self._tell(state="answered", by=actor.name, at=now_utc(), note=self._call.note)
        return self._call

    async def close(self, actor: Actor) -> HelpView:
        """The call is over, or taken back."""
        if self._call.state != "none":
            self._register.alarms.set(_ALARM, None)
            await self._register.note(actor, "help_closed")
            self._tell(state="none", at=None, by="", note="")
        return self._call

    def _tell(self, **changes: Any) -> None:
        self._call = self._call.model_copy(update=changes)
        self._publish("help", self._call)

    async def _send(self, said: str) -> None:
        """Webhook and mail, side by side; what fails is an alarm of its own."""
        ways = self._config.help
        told = self._diagnostics(said)
        jobs = [self._post(told)] if ways.webhook else []
        if ways.email:
            jobs.append(asyncio.to_thread(self._mail, said, told))
        failed = [text for text in await asyncio.gather(*jobs) if text]
        words = None
        if failed:
            words = Words(
                "warning",
                "technician",
                f"The call for help did not go out: {'; '.join(failed)}.",
                "Check [help] in room.toml; the call stands on this page.",
            )
        self._register.alarms.set("help.sending", words)

    async def _post(self, told: dict[str, Any]) -> str:
        ways, problem = self._config.help, ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(AGAIN_S)
            try:
                headers = {}
                if ways.webhook_secret:
                    headers["authorization"] = f"Bearer {resolve_secret(ways.webhook_secret)}"
                async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
                    answer = await client.post(str(ways.webhook), json=told, headers=headers)
                if answer.is_success:
                    return ""
                problem = f"the webhook answers {answer.status_code}"
            except (httpx.HTTPError, httpx.InvalidURL, SecretError) as error:
                problem = f"the webhook cannot be reached ({error or type(error).__name__})"
        return problem

    def _mail(self, said: str, told: dict[str, Any]) -> str:
        ways = self._config.help
        mail = EmailMessage()
        mail["Subject"] = " ".join(said.split())[:150]
        mail["From"], mail["To"] = ways.sender, ", ".join(ways.email)
        mail.set_content(f"{said}\n\n{json.dumps(told, indent=2)}\n")
        host, _, port = ways.smtp.rpartition(":")
        try:
            with smtplib.SMTP(host.strip("[]"), int(port), timeout=TIMEOUT_S) as server:
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            return f"the mail could not be sent ({error})"
        return ""

    def _diagnostics(self, said: str) -> dict[str, Any]:
        """What a technician asks first."""
        room = self._room()
        session = room.session
        return {
            "text": said,
            "room": room.room,
            "name": room.name,
            "at": room.now.isoformat(),
            "note": self._call.note,
            "class": {"state": session.state.value, "recording": session.recording_state}
            if session
            else None,
            "devices": {
                one.id: f"{one.health.value}, {one.power.value if one.power else '-'}"
                for one in room.devices
            },
            "sources": {one.id: one.state for one in room.sources},
            "alarms": [alarm.text for alarm in room.alarms],
        }

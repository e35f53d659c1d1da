"""A Shelly of the second generation seen from inside: what every one of them answers about itself.

JSON-RPC by HTTP and WebSocket (Shelly API documentation, Gen2+: RPC protocol, RPC channels,
Authentication). What its component does (Switch.Set, Switch.GetStatus) is the simulated device's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from devices.far_sessions import FarSession
from devices.transports.http import PATH_END
from firmware_profiles.wire import Session as SessionSpec

WEBSOCKET = "WS"
"""In place of a verb: the frame came by WebSocket, where it carries its own proof of who asks."""
_HA2 = hashlib.sha256(b"dummy_method:dummy_uri").hexdigest()
_OPEN = "Shelly.GetDeviceInfo"
_SWITCH = ("Switch.Set", "Switch.GetStatus")


class FarShelly(FarSession):
    """Answers device-level calls, checks who asks by WebSocket, and addresses every answer to the
    one who asked."""

    def __init__(self, spec: SessionSpec, options: Mapping[str, Any]) -> None:
        super().__init__(spec, options)
        self._id = str(options.get("device") or "shellyplus1-000000000000")
        self._password = str(options.get("password") or "")
        self._channel = int(options.get("channel") or 0)
        self._nonce = int.from_bytes(os.urandom(4), "big")
        self._caller = ""
        self._whole_status = False

    def public(self, data: bytes) -> bool:
        head, _, payload = data.partition(PATH_END)
        return head == b"GET /shelly" or _frame(payload).get("method") == _OPEN

    def received(self, data: bytes) -> list[bytes]:
        head, _, payload = data.partition(PATH_END)
        if head == b"GET /shelly":
            self._say(self._about())
            return []
        frame = _frame(payload)
        method = frame.get("method")
        if not head.endswith(b" /rpc") or not isinstance(method, str) or "id" not in frame:
            self.replies.append(b"404" + PATH_END + b"Not Found")
            return []
        self._caller, self._whole_status = str(frame.get("src") or ""), False
        by_websocket = head.startswith(WEBSOCKET.encode())
        if by_websocket and self._password and method != _OPEN and not self._trusted(frame):
            challenge = {
                "auth_type": "digest", "nonce": self._nonce, "nc": 1,
                "realm": self._id, "algorithm": "SHA-256",
            }  # fmt: skip
            refusal = {"code": 401, "message": json.dumps(challenge)}
            self._say(self._addressed({"id": frame["id"], "error": refusal}))
            return []
        if (answer := self._own(method)) is not None:
            self._say(self._addressed({"id": frame["id"], "result": answer}))
            return []
        if method == "Shelly.GetStatus":
            self._whole_status = True
            frame |= {"method": "Switch.GetStatus", "params": {"id": self._channel}}
        if (error := self._refusal(frame)) is not None:
            self._say(self._addressed({"id": frame["id"], "error": error}))
            return []
        known = {"id": frame["id"], "src": self.options.get("reply"), "method": frame["method"]}
        known["params"] = frame.get("params") or {}
        return [b"POST /rpc" + PATH_END + json.dumps(known).encode()]

    def wrap(self, frame: bytes) -> bytes:
        status, _, payload = frame.partition(PATH_END)
        said = _frame(payload)
        if not said:
            return frame
        if "method" in said and not self._caller:
            return b""  # nobody has asked anything on this channel: nobody is told
        error = said.get("error")
        if isinstance(error, dict):
            code = str(error.get("code"))
            error["code"] = int(code) if code.lstrip("-").isdigit() else 500
            error["message"] = error.get("message") or "refused"
        if self._whole_status and "result" in said:
            said["result"] = {"sys": {"mac": self._mac}, f"switch:{self._channel}": said["result"]}
        return status + PATH_END + json.dumps(self._addressed(said)).encode()

    def _refusal(self, frame: Mapping[str, Any]) -> dict[str, Any] | None:
        method, params = frame["method"], frame.get("params")
        if method not in _SWITCH:
            return {"code": 404, "message": f"No handler for {method}"}
        number = params.get("id") if isinstance(params, dict) else None
        if number != self._channel:
            return {"code": -105, "message": f"Argument 'id', value {number} not found!"}
        return None

    def _say(self, content: Mapping[str, Any]) -> None:
        self.replies.append(b"200" + PATH_END + json.dumps(content).encode())

    def _addressed(self, frame: dict[str, Any]) -> dict[str, Any]:
        to = {"dst": self._caller} if self._caller else {}
        return {**frame, "src": self._id, **to}

    def _trusted(self, frame: Mapping[str, Any]) -> bool:
        given = frame.get("auth")
        if not isinstance(given, dict) or str(given.get("nonce")) != str(self._nonce):
            return False
        who = _hash(f"{given.get('username')}:{self._id}:{self._password}")
        right = _hash(f"{who}:{self._nonce}:{given.get('nc')}:{given.get('cnonce')}:auth:{_HA2}")
        said = str(given.get("response")).encode()
        return given.get("username") == "admin" and hmac.compare_digest(said, right.encode())

    @property
    def _mac(self) -> str:
        return self._id.rpartition("-")[2].upper().rjust(12, "0")[-12:]

    def _about(self) -> dict[str, Any]:
        domain = self._id if self._password else None
        return {
            "name": None, "id": self._id, "mac": self._mac, "model": "SNSW-001X16EU", "gen": 2,
            "fw_id": "20240625-122543/1.3.3-gbdfd9b3", "ver": "1.3.3", "app": "Plus1",
            "auth_en": bool(self._password), "auth_domain": domain,
        }  # fmt: skip

    def _own(self, method: str) -> dict[str, Any] | None:
        if method == _OPEN:
            return self._about()
        if method == "Shelly.GetConfig":
            about = {"name": None, "mac": self._mac, "fw_id": self._about()["fw_id"]}
            return {"sys": {"device": about}, f"switch:{self._channel}": {"id": self._channel}}
        if method == "Shelly.GetComponents":
            return {"components": [], "cfg_rev": 1, "offset": 0, "total": 0}
        return None


def _frame(payload: bytes) -> dict[str, Any]:
    """A JSON object, empty where there is none."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

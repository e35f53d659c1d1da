"""A course platform: a small web server of its own that signs by hand, with nothing of classroomd.

It answers as LTI 1.3 platforms do: a page of the course, an authentication endpoint, a key set,
and a place where choices come back. `tamper` makes it lie.
"""

from __future__ import annotations

import base64
import html
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"
MEMBER = "http://purl.imsglobal.org/vocab/lis/v2/membership#"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """An RSA key as a platform has it."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(65537, 2048)

    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        told = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid}
        return told | {"n": number(numbers.n), "e": number(numbers.e)}

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


def token(claims: dict[str, Any], header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A JWS in its compact form (RFC 7515, section 3.1)."""
    parts = [b64(json.dumps(one).encode()) for one in (header, claims)]
    data = ".".join(parts)
    return f"{data}.{b64(sign(data.encode()))}"


KEY = Key("one")
"""Made once: it takes long."""


class Platform:
    """`name` is its host in its own addresses: another one than the tool's makes another site."""

    CLIENT, DEPLOYMENT = "room-101", "7"

    def __init__(self, name: str = "127.0.0.1", tls: tuple[Path, Path] | None = None) -> None:
        self.key = KEY
        self.keys = [self.key]
        self.tool = ""
        self.course = {"id": "4711", "label": "OPT", "title": "Optics"}
        self.idnumber = "PHY1"
        self.role = "Learner"
        self.person = "student-1"
        self.target = "/live"
        self.deep = False
        self.fetched = 0
        self.returned: list[str] = []
        self.tamper: Callable[[dict[str, Any], dict[str, Any]], None] = lambda claims, header: None
        self.signed: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://{name}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settings(self) -> dict[str, Any]:
        """Itself, as room.toml has it."""
        local = self.url.replace("localhost", "127.0.0.1")
        return {
            "issuer": self.url,
            "client_id": self.CLIENT,
            "deployment_ids": [self.DEPLOYMENT],
            "auth_url": f"{self.url}/auth",
            "jwks_url": f"{local}/jwks",
        }

    def begins(self) -> dict[str, str]:
        """What it sends the browser to the tool's login with."""
        return {
            "iss": self.url,
            "client_id": self.CLIENT,
            "login_hint": self.person,
            "lti_message_hint": "link-1",
            "lti_deployment_id": self.DEPLOYMENT,
            "target_link_uri": f"{self.tool}{self.target}",
        }

    def answer(self, asked: dict[str, str]) -> dict[str, str]:
        """The form that goes to the tool after a login; checks what the tool has sent."""
        assert asked["scope"] == "openid" and asked["prompt"] == "none"
        assert asked["response_type"] == "id_token" and asked["response_mode"] == "form_post"
        assert asked["client_id"] == self.CLIENT
        assert asked["redirect_uri"] == f"{self.tool}/lti/launch"
        assert asked["login_hint"] == self.person and asked["lti_message_hint"] == "link-1"
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": self.CLIENT,
            "sub": self.person,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            f"{CLAIM}version": "1.3.0",
            f"{CLAIM}deployment_id": self.DEPLOYMENT,
            f"{CLAIM}roles": [f"{MEMBER}{self.role}"],
            f"{CLAIM}context": self.course,
            f"{CLAIM}lis": {"course_section_sourcedid": self.idnumber},
            f"{CLAIM}target_link_uri": f"{self.tool}{self.target}",
        }
        if self.deep:
            claims[f"{CLAIM}message_type"] = "LtiDeepLinkingRequest"
            claims[f"{DEEP}deep_linking_settings"] = {
                "deep_link_return_url": f"{self.url}/return",
                "accept_types": ["ltiResourceLink"],
                "accept_presentation_document_targets": ["iframe", "window"],
                "data": "keep me",
            }
        else:
            claims[f"{CLAIM}message_type"] = "LtiResourceLinkRequest"
            claims[f"{CLAIM}resource_link"] = {"id": uuid.uuid4().hex}
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key.kid}
        self.tamper(claims, header)
        make = self.signed or (lambda c, h: token(c, h, self.key.sign))
        return {"id_token": make(claims, header), "state": asked["state"]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None: ...

            def _send(self, body: str, kind: str = "text/html; charset=utf-8") -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self) -> None:
                path = urlsplit(self.path)
                asked = {name: one[0] for name, one in parse_qs(path.query).items()}
                login = html.escape(f"{platform.tool}/lti/login?{urlencode(platform.begins())}")
                if path.path == "/jwks":
                    platform.fetched += 1
                    keys = {"keys": [key.jwk() for key in platform.keys]}
                    self._send(json.dumps(keys), "application/json")
                elif path.path == "/course":
                    style = "width:100%;height:900px"
                    self._send(f'<h1>Optics</h1><iframe src="{login}" style="{style}"></iframe>')
                elif path.path == "/link":
                    self._send(f'<a id="open" href="{login}">The class</a>')
                elif path.path == "/auth":
                    fields = "".join(
                        f'<input name="{name}" value="{html.escape(value)}">'
                        for name, value in platform.answer(asked).items()
                    )
                    to = html.escape(asked["redirect_uri"])
                    form = f'<form method="post" action="{to}">{fields}</form>'
                    self._send(f"{form}<script>document.forms[0].submit()</script>")
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                platform.returned.append(parse_qs(body)["JWT"][0])
                self._send('<p id="kept">Kept.</p>')

        return Handler

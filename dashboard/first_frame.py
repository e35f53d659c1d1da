"""A page as it is sent: its styles inside, and the room's name in what stands before the script.

One request is all that the first paint needs, however slow the link. The policy of the page names
its styles and its own lines of script by their hashes (CSP 3, section 2.3.1): nothing else may be
written into it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path

_LINK = re.compile(r'<link rel="stylesheet"[^>]*? href="/assets/([\w.-]+\.css)"[^>]*>')
_OWN = {
    "style-src": re.compile(r"<style>(.*?)</style>", re.DOTALL),
    "script-src": re.compile(r"<script>(.*?)</script>", re.DOTALL),
}
_ROOM = "<bdi data-room></bdi>"
_ROOT = '<html lang="en" dir="ltr">'
RIGHT_TO_LEFT = {"ar", "fa", "he", "ur"}


@dataclass(frozen=True)
class FirstFrame:
    """`allowed`: for style-src and script-src, the hashes that the page's policy must name."""

    body: bytes
    packed: bytes
    etag: str
    allowed: dict[str, str]

    def policy(self, strict: str) -> str:
        """The Content-Security-Policy `strict` with what lies inside this page allowed."""
        for directive, hashes in self.allowed.items():
            if hashes:
                own = f"{directive} 'self'"
                strict = strict.replace(own, f"{own} {hashes}")
        return strict


def first_frame(page: Path, room: str, language: str) -> FirstFrame:
    """The page of this room, whose first language is `language`. Raises OSError."""
    text = page.read_text("utf-8")

    def style_of(link: re.Match[str]) -> str:
        style = page.parent / "assets" / link[1]
        return f"<style>{style.read_text('utf-8').strip()}</style>" if style.is_file() else link[0]

    text = _LINK.sub(style_of, text)
    if _ROOM in text:
        way = "rtl" if language in RIGHT_TO_LEFT else "ltr"
        text = text.replace(_ROOT, f'<html lang="{html.escape(language)}" dir="{way}">', 1)
        text = text.replace(_ROOM, f"<bdi>{html.escape(room)}</bdi>", 1)
    body = text.encode()
    allowed = {
        directive: " ".join(f"'sha256-{_digest(one)}'" for one in inside.findall(text))
        for directive, inside in _OWN.items()
    }
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return FirstFrame(body, gzip.compress(body, 9, mtime=0), etag, allowed)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class FirstFrames:
    """Pages made once and made again when they have been built anew."""

    def __init__(self, room: str, language: str) -> None:
        self._room, self._language = room, language
        self._made: dict[Path, tuple[int, FirstFrame]] = {}

    def of(self, page: Path) -> FirstFrame:
        """Raises OSError when the page is not built."""
        built = page.stat().st_mtime_ns
        known = self._made.get(page)
        if known is None or known[0] != built:
            known = (built, first_frame(page, self._room, self._language))
            self._made[page] = known
        return known[1]

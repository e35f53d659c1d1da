"""Where each key of a TOML text stands: key path → line number (from 1).

`tomllib` gives values without positions, and an error that names a line is the one that a
technician can act on. The text is known to be valid TOML when it is scanned.
"""

from __future__ import annotations

import re
from bisect import bisect_right

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def positions(text: str) -> dict[Path, int]:
    """Lines of every key, table and array element; array elements have their index in the path."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.found: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_BLANK) < len(self.text):
            if self._take("[["):
                *parents, last = self._key()
                self._take("]]")
                name = (*self._resolve(tuple(parents)), last)
                self.counts[name] = self.counts.get(name, -1) + 1
                table = (*name, self.counts[name])
                self._note(table)
            elif self._take("["):
                key = self._key()
                self._take("]")
                table = self._resolve(key)
                self._note(table)
            else:
                self._pair(table)
        return self.found

    def _resolve(self, key: Path) -> Path:
        """The full path of a header: each array of tables on the way means its last element."""
        path: Path = ()
        for part in key:
            path = (*path, part)
            if path in self.counts:
                path = (*path, self.counts[path])
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self._key())
        for length in range(len(table) + 1, len(path) + 1):
            self.found.setdefault(path[:length], self._line(start))
        self._skip(_SPACE)
        self._take("=")
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                parts.append(self._string())
            else:
                found = _BARE.match(self.text, self.at)
                if found is None:
                    raise ValueError(f"line {self._line(self.at)}: a key was expected")
                self.at = found.end()
                parts.append(found.group())
            self._skip(_SPACE)
            if not self._take("."):
                return tuple(parts)

    def _value(self, path: Path) -> None:
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            while self._skip(_BLANK) < len(self.text) and not self._take("}"):
                self._pair(path)
                self._skip(_BLANK)
                self._take(",")
        elif self.at < len(self.text) and self.text[self.at] in "\"'":
            self._string()
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        index = 0
        while self._skip(_BLANK) < len(self.text) and not self._take("]"):
            self._note((*path, index))
            self._value((*path, index))
            self._skip(_BLANK)
            self._take(",")
            index += 1

    def _string(self) -> str:
        quote = self.text[self.at]
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.at += len(mark)
        made: list[str] = []
        while self.at < len(self.text) and not self.text.startswith(mark, self.at):
            if quote == '"' and self.text[self.at] == "\\":
                self.at += 1
                made.append(_ESCAPES.get(self.text[self.at], self.text[self.at]))
            else:
                made.append(self.text[self.at])
            self.at += 1
        self.at += len(mark)
        while len(mark) == 3 and self.text.startswith(quote, self.at):
            self.at += 1  # up to two quotes may stand right before the closing three
        return "".join(made)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _line(self, at: int) -> int:
        return bisect_right(self.starts, at)

    def _note(self, path: Path) -> None:
        for length in range(1, len(path) + 1):
            self.found.setdefault(path[:length], self._line(self.at))

"""Fields and literals, the pieces that templates are made of; see `firmware_profiles.template`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Encoding = Literal["text", "hex", "json", "osc"]
Token = bool | int | float | str
Fields = Mapping[str, Any]

_FIELD = re.compile(
    r"^(?P<name>[a-z_][a-z0-9_]*|\*)(?:\*(?P<mul>\d+))?"
    r"(?P<add>[+-](?:0x[0-9A-Fa-f]+|\d+))?(?::(?P<format>[a-zA-Z0-9.]+))?$"
)
_BINARY = re.compile(r"^(?P<sign>[us])(?P<bits>8|16|32)(?P<le>le)?$")
_NIBBLES = re.compile(r"^(?P<sign>s?)n(?P<count>[1-8])$")
_DIGITS = re.compile(r"^(?P<width>0\d+)?(?P<kind>[dxX])$")
_FLOAT = re.compile(r"^(?:\.\d)?f$")
_LOW_NIBBLE = re.compile(r"^low([0-9A-Fa-f])$")


class TemplateError(ValueError):
    """The template's text is wrong; the message says where."""


class Unmapped(str):
    """A token on the wire that the value map doesn't know, as text or hex digits."""

    __slots__ = ()


@dataclass(frozen=True)
class ValueMap:
    """Logical names and their wire tokens. `aliases` are read, never written."""

    tokens: Mapping[str, Token]
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One placeholder: its name, linear transform and wire format."""

    name: str
    factor: int
    addend: int
    format: str

    def pattern(self) -> bytes:
        if self.format == "hex":
            return b"[\\x00-\\xff]*?"
        if low := _LOW_NIBBLE.match(self.format):
            return masked_pattern(0x100 | int(low[1], 16) << 4)
        if binary := _BINARY.match(self.format):
            return b"[\\x00-\\xff]{%d}" % (int(binary["bits"]) // 8)
        if nibbles := _NIBBLES.match(self.format):
            return b"[\\x00-\\x0f]{%d}" % int(nibbles["count"])
        if digits := _DIGITS.match(self.format):
            kind = b"\\d" if digits["kind"] == "d" else b"[0-9A-Fa-f]"
            count = b"{%d}" % int(digits["width"]) if digits["width"] else b"+"
            sign = b"[+-]?" if digits["kind"] == "d" and not digits["width"] else b""
            return sign + kind + count
        if _FLOAT.match(self.format):
            return b"[+-]?\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?"
        return b"[\\x00-\\xff]*?"

    def encode(self, value: Any) -> bytes:
        if self.format == "s" and self.factor == 1 and self.addend == 0:
            return as_text(value).encode()
        if self.format == "hex":
            try:
                return bytes.fromhex(re.sub("[:.-]", "", str(value)))
            except ValueError:
                raise TemplateError(f"{self.name} needs hex digits, not {value!r}") from None
        try:
            number = float(value) * self.factor + self.addend
        except (TypeError, ValueError):
            raise TemplateError(f"field {self.name} needs a number, not {value!r}") from None
        if _FLOAT.match(self.format):
            return format(number, self.format).encode()
        whole = round(number)
        if low := _LOW_NIBBLE.match(self.format):
            if not 0 <= whole <= 15:
                raise TemplateError(f"{self.name}={value} doesn't fit half a byte")
            return bytes([int(low[1], 16) << 4 | whole])
        if binary := _BINARY.match(self.format):
            size, order = int(binary["bits"]) // 8, "little" if binary["le"] else "big"
            try:
                return whole.to_bytes(size, order, signed=binary["sign"] == "s")  # type: ignore[arg-type]
            except OverflowError:
                raise TemplateError(f"{self.name}={value} doesn't fit {self.format}") from None
        if nibbles := _NIBBLES.match(self.format):
            count = int(nibbles["count"])
            if not -(16**count) // 2 <= whole < 16**count:
                raise TemplateError(f"{self.name}={value} doesn't fit {self.format}")
            whole %= 16**count
            return bytes(whole >> 4 * (count - 1 - i) & 0xF for i in range(count))
        if self.format == "s":
            return str(whole).encode()
        return format(whole, self.format).encode()

    def decode(self, raw: bytes) -> Any:
        if self.format == "s":
            text = raw.decode("utf-8", "replace")
            return text if self.factor == 1 and self.addend == 0 else self._back(_number(text))
        if self.format == "hex":
            return raw.hex()
        if _LOW_NIBBLE.match(self.format):
            return self._back(raw[0] & 0xF)
        if binary := _BINARY.match(self.format):
            order = "little" if binary["le"] else "big"
            return self._back(int.from_bytes(raw, order, signed=binary["sign"] == "s"))  # type: ignore[arg-type]
        if nibbles := _NIBBLES.match(self.format):
            count, number = int(nibbles["count"]), 0
            for byte in raw:
                number = number << 4 | byte
            if nibbles["sign"] and number >= 16**count // 2:
                number -= 16**count
            return self._back(number)
        if _FLOAT.match(self.format):
            return self._back(float(raw))
        return self._back(int(raw, 10 if self.format.endswith("d") else 16))

    def _back(self, number: float | None) -> Any:
        """Undo the transform; what no value could have made is None, and doesn't match."""
        if number is None:
            return None
        value = (number - self.addend) / self.factor
        if isinstance(number, int):
            return int(value) if value == int(value) and value >= min(0, number) else None
        return value


def _number(text: str) -> float | None:
    try:
        return float(text) if any(c in text for c in ".eE") else int(text)
    except ValueError:
        return None


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _parse_field(text: str, default: str) -> Field:
    found = _FIELD.match(text.strip())
    if not found:
        raise TemplateError(f"{{{text}}} is no field: write {{name}}, {{name:format}}, {{name+1}}")
    layout = found["format"] or ("u8" if default == "hex" and found["name"] != "*" else "s")
    if not (
        layout in ("s", "hex")
        or _BINARY.match(layout)
        or _NIBBLES.match(layout)
        or _DIGITS.match(layout)
        or _FLOAT.match(layout)
    ):
        raise TemplateError(f"{{{text}}}: unknown format {layout!r}")
    return Field(
        found["name"],
        int(found["mul"] or 1),
        int(found["add"], 0) if found["add"] else 0,
        layout,
    )


Piece = bytes | int | Field
"""A literal, a nibble-masked byte (0x1f0 = high nibble f, low any; 0x20f = low f), or a field."""


def split(source: str, encoding: Encoding) -> list[Piece]:
    return split_hex(source) if encoding == "hex" else split_text(source)


def split_text(source: str) -> list[Piece]:
    pieces: list[Piece] = []
    for part in re.findall(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]", source):
        if part in ("{{", "}}"):
            pieces.append(part[0].encode())
        elif part.startswith("{") and part.endswith("}") and len(part) > 1:
            pieces.append(_parse_field(part[1:-1], "text"))
        elif part in ("{", "}"):
            raise TemplateError(f"a single {part} in {source!r}: write {part}{part}")
        else:
            pieces.append(part.encode())
    return pieces


def split_hex(source: str) -> list[Piece]:
    pieces: list[Piece] = []
    rest = source.strip()
    while rest:
        if found := re.match(r"\{([^{}]*)\}", rest):
            pieces.append(_parse_field(found[1], "hex"))
        elif found := re.match(r"'([^']*)'", rest):
            pieces.append(found[1].encode())
        elif found := re.match(r"[0-9A-Fa-f]{2}", rest):
            pieces.append(bytes.fromhex(found[0]))
        elif found := re.match(r"([0-9A-Fa-f])\{([^{}:]*)\}", rest):
            inner = _parse_field(found[2], "hex")
            pieces.append(Field(inner.name, inner.factor, inner.addend, f"low{found[1]}"))
        elif found := re.match(r"([0-9A-Fa-f?])([0-9A-Fa-f?])", rest):
            high, low = found[1], found[2]
            if high == low == "?":
                pieces.append(0x300)
            elif low == "?":
                pieces.append(0x100 | int(high, 16) << 4)
            else:
                pieces.append(0x200 | int(low, 16))
        else:
            raise TemplateError(f"neither hex digits, 'text' nor a {{field}} at {rest[:12]!r}")
        rest = rest[found.end() :].lstrip()
    return pieces


def masked_pattern(piece: int) -> bytes:
    kind, value = piece & 0x300, piece & 0xFF
    if kind == 0x300:
        return b"[\\x00-\\xff]"
    if kind == 0x100:
        return b"[\\x%02x-\\x%02x]" % (value, value | 0xF)
    return b"[" + b"".join(b"\\x%02x" % (high << 4 | value) for high in range(16)) + b"]"


def masked_byte(piece: int) -> bytes:
    kind, value = piece & 0x300, piece & 0xFF
    return bytes([{0x300: 0x11, 0x100: value | 1, 0x200: value | 0x10}[kind]])


def literal(piece: Piece) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, int):
        return masked_byte(piece)
    raise TemplateError("a field can't stand here")


def same(known: Any, found: Any) -> bool:
    if known == found:
        return True
    mine, theirs = as_text(known), as_text(found)
    return mine == theirs or re.sub("[:.-]", "", mine).lower() == theirs.lower()

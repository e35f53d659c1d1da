"""Templates: one text that both builds a message and takes it apart again.

The driver builds with a command's template and the simulator takes the same bytes apart with it;
for replies the other way round. Three forms:

- *text*: characters as they are, `{field}` between them, `{{` and `}}` for braces;
- *hex*: bytes as two hex digits (`?` stands for any nibble and is built as 1), `'quoted'` ASCII;
- *json*: a structure whose strings may hold fields (`{null}` is null); a received object may hold
  more keys.

A field is `{name[*factor][+addend][:format]}`: `{id*16+0x80}` puts 0x90 for id 1. Formats: binary
`u8 u16 u32 s8 s16 s32` (with `le` for little endian), `n4`/`sn4` (that many bytes of one nibble
each, VISCA style), `d 03d x 02X f .2f` (digits as text), `hex` (an option of hex digits, such as a
MAC address, as bytes) and `s` (any text). `2{speed}` in hex is
one byte, high nibble 2, low nibble the field. `{len}` is the number of body bytes after it. `{*}`
is anything. A field with a value map stands for one of its tokens.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from firmware_profiles.fields import (
    Encoding,
    Field,
    Fields,
    Piece,
    TemplateError,
    Unmapped,
    ValueMap,
    as_text,
    literal,
    masked_byte,
    masked_pattern,
    same,
    split,
)

NOTHING: Fields = MappingProxyType({})


class Template(ABC):
    """Builds a message from fields and takes a message apart into fields."""

    source: str
    names: frozenset[str]

    @abstractmethod
    def build(self, fields: Fields) -> bytes:
        """The message's body. A missing field raises TemplateError."""

    @abstractmethod
    def match(self, body: bytes, known: Fields = NOTHING) -> dict[str, Any] | None:
        """The fields found in `body`, or None when it has another form, or when a field is in
        `known` with another value."""


class BytesTemplate(Template):
    """A text or hex template, compiled to one regular expression over bytes."""

    def __init__(
        self,
        source: str,
        encoding: Encoding,
        maps: Mapping[str, ValueMap] | None = None,
        constants: Mapping[str, str] | None = None,
        *,
        ignore_case: bool = False,
    ) -> None:
        """`constants` replace fields by literals (a command's opcode) before anything else."""
        self.source, self._encoding = source, encoding
        self._maps, self._ignore_case = dict(maps or {}), ignore_case
        self._pieces: list[Piece] = []
        for piece in split(source, encoding):
            if isinstance(piece, Field) and constants and piece.name in constants:
                self._pieces += split(constants[piece.name], encoding)
            else:
                self._pieces.append(piece)
        self._tokens: dict[str, dict[str, list[Piece]]] = {
            name: {key: split(str(token), encoding) for key, token in values.tokens.items()}
            for name, values in self._maps.items()
        }
        self._groups: list[tuple[str, Field | str | None]] = []
        names: set[str] = set()
        self._once: dict[Field, bytes] = {}
        pattern = b"".join(self._again(piece, names) for piece in self._pieces)
        self.names = frozenset(names)
        self._regex = re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))

    def _group(self, name: str, decoder: Field | str | None, pattern: bytes) -> bytes:
        self._groups.append((name, decoder))
        return b"(?P<g%d>%s)" % (len(self._groups) - 1, pattern)

    def _again(self, piece: Piece, names: set[str]) -> bytes:
        """The pattern; a field that stood before must be the same bytes again."""
        if not isinstance(piece, Field) or piece.name in ("*", "len") or piece.name in self._tokens:
            return self._pattern(piece, names)
        if (group := self._once.get(piece)) is not None:
            return b"(?P=%s)" % group
        self._once[piece] = b"g%d" % len(self._groups)
        return self._pattern(piece, names)

    def _pattern(self, piece: Piece, names: set[str]) -> bytes:
        if isinstance(piece, bytes):
            return re.escape(piece)
        if isinstance(piece, int):
            return masked_pattern(piece)
        if piece.name == "*":
            return b"[\\x00-\\xff]*?"
        if piece.name == "len":
            return piece.pattern()
        names.add(piece.name)
        if piece.name in self._tokens:
            return self._mapped_pattern(piece.name, names)
        return self._group(piece.name, piece, piece.pattern())

    def _mapped_pattern(self, name: str, names: set[str]) -> bytes:
        tokens = self._tokens[name]
        nested = {k: p for k, p in tokens.items() if any(isinstance(x, Field) for x in p)}
        ways = [
            self._group(name, key, b"".join(self._pattern(piece, names) for piece in pieces))
            for key, pieces in tokens.items()
            if key in nested
        ]
        plain = {b"".join(literal(x) for x in p) for k, p in tokens.items() if k not in nested}
        plain |= {
            b"".join(literal(x) for x in split(alias, self._encoding))
            for alias in self._maps[name].aliases
        }
        if plain:
            ordered = sorted(plain, key=len, reverse=True)
            options = [re.escape(token) for token in ordered]
            sizes = {len(token) for token in plain}
            if self._encoding == "hex" and not nested:
                options += [b"[\\x00-\\xff]{%d}" % size for size in sorted(sizes, reverse=True)]
            elif self._encoding != "hex":
                options.append(b"[\\x00-\\xff]*?")
            ways.append(self._group(name, None, b"|".join(options)))
        return b"(?:" + b"|".join(ways) + b")"

    def build(self, fields: Fields) -> bytes:
        out, lengths = b"", []
        for piece in self._pieces:
            if isinstance(piece, Field) and piece.name == "len":
                lengths.append((len(out), piece))
                out += piece.encode(0)
            else:
                out += self._encode(piece, fields)
        for at, piece in lengths:
            blank = piece.encode(0)
            after = len(out) - at - len(blank)
            out = out[:at] + piece.encode(after) + out[at + len(blank) :]
        return out

    def _encode(self, piece: Piece, fields: Fields) -> bytes:
        if isinstance(piece, bytes):
            return piece
        if isinstance(piece, int):
            return masked_byte(piece)
        if piece.name == "*":
            return b""
        if piece.name not in fields:
            raise TemplateError(f"no value for {{{piece.name}}} in {self.source!r}")
        value = fields[piece.name]
        tokens = self._tokens.get(piece.name)
        if tokens is None:
            return piece.encode(value)
        key = as_text(value)
        if isinstance(value, Unmapped):
            return bytes.fromhex(value) if self._encoding == "hex" else value.encode()
        if key not in tokens:
            raise TemplateError(f"{piece.name}={value!r} is none of {', '.join(tokens)}")
        return b"".join(self._encode(inner, fields) for inner in tokens[key])

    def match(self, body: bytes, known: Fields = NOTHING) -> dict[str, Any] | None:
        found = self._regex.fullmatch(body)
        if found is None:
            return None
        fields: dict[str, Any] = {}
        for index, (name, decoder) in enumerate(self._groups):
            raw = found[f"g{index}"]
            if raw is None:
                continue
            if isinstance(decoder, str):
                value: Any = decoder
            elif decoder is None:
                value = self._logical(name, raw)
            else:
                value = decoder.decode(raw)
            if value is None or fields.setdefault(name, value) != value:
                return None
            if name in known and not same(known[name], value):
                return None
        return fields

    def _logical(self, name: str, raw: bytes) -> str:
        fold = raw.lower() if self._ignore_case else raw
        for key, pieces in self._tokens[name].items():
            if any(isinstance(piece, Field) for piece in pieces):
                continue
            token = b"".join(literal(piece) for piece in pieces)
            if token == raw or (self._ignore_case and token.lower() == fold):
                return key
        for alias, key in self._maps[name].aliases.items():
            token = b"".join(literal(piece) for piece in split(alias, self._encoding))
            if token == raw or (self._ignore_case and token.lower() == fold):
                return key
        text = raw.hex() if self._encoding == "hex" else raw.decode("utf-8", "replace")
        return Unmapped(text)

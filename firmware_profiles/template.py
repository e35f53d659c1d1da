"""Templates: one text that both builds a message and takes it apart again.

The driver builds with a command's template and the simulator takes the same bytes apart with it;
for replies the other way round. Three forms:

- *text*: characters as they are, `{field}` between them, `{{` and `}}` for braces;
- *hex*: bytes as two hex digits (`?` stands for any nibble and is built as 1), `'quoted'` ASCII;
- *json*: a structure whose strings may hold fields; a received object may hold more keys.

A field is `{name[*factor][+addend][:format]}`: `{id*16+0x80}` puts 0x90 for id 1. Formats: binary
`u8 u16 u32 s8 s16 s32` (with `le` for little endian), `n4`/`sn4` (that many bytes of one nibble
each, VISCA style), `d 03d x 02X f .2f` (digits as text), `hex` (an option of hex digits, such as a
MAC address, as bytes) and `s` (any text). `2{speed}` in hex is
one byte, high nibble 2, low nibble the field. `{len}` is the number of body bytes after it. `{*}`
is anything. A field with a value map stands for one of its tokens.
"""

from __future__ import annotations

import json
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Encoding = Literal["text", "hex", "json", "osc"]
Token = bool | int | float | str
Fields = Mapping[str, Any]

TOPIC_END = b"\x00"
_NOTHING: Fields = MappingProxyType({})

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


class Template(ABC):
    """Builds a message from fields and takes a message apart into fields."""

    source: str
    names: frozenset[str]

    @abstractmethod
    def build(self, fields: Fields) -> bytes:
        """The message's body. A missing field raises TemplateError."""

    @abstractmethod
    def match(self, body: bytes, known: Fields = _NOTHING) -> dict[str, Any] | None:
        """The fields found in `body`, or None when it has another form, or when a field is in
        `known` with another value."""


# --- fields ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """One placeholder: its name, linear transform and wire format."""

    name: str
    factor: int
    addend: int
    format: str

    def pattern(self) -> bytes:
        if self.format == "hex":
            return b"[\\x00-\\xff]*?"
        if low := _LOW_NIBBLE.match(self.format):
            return _masked_pattern(0x100 | int(low[1], 16) << 4)
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
            return _as_text(value).encode()
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


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _parse_field(text: str, default: str) -> _Field:
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
    return _Field(
        found["name"],
        int(found["mul"] or 1),
        int(found["add"], 0) if found["add"] else 0,
        layout,
    )


# --- bytes: text and hex -----------------------------------------------------------------------

_Piece = bytes | int | _Field
"""A literal, a nibble-masked byte (0x1f0 = high nibble f, low any; 0x20f = low f), or a field."""


def _split(source: str, encoding: Encoding) -> list[_Piece]:
    return _split_hex(source) if encoding == "hex" else _split_text(source)


def _split_text(source: str) -> list[_Piece]:
    pieces: list[_Piece] = []
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


def _split_hex(source: str) -> list[_Piece]:
    pieces: list[_Piece] = []
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
            pieces.append(_Field(inner.name, inner.factor, inner.addend, f"low{found[1]}"))
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


def _masked_pattern(piece: int) -> bytes:
    kind, value = piece & 0x300, piece & 0xFF
    if kind == 0x300:
        return b"[\\x00-\\xff]"
    if kind == 0x100:
        return b"[\\x%02x-\\x%02x]" % (value, value | 0xF)
    return b"[" + b"".join(b"\\x%02x" % (high << 4 | value) for high in range(16)) + b"]"


def _masked_byte(piece: int) -> bytes:
    kind, value = piece & 0x300, piece & 0xFF
    return bytes([{0x300: 0x11, 0x100: value | 1, 0x200: value | 0x10}[kind]])


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
        self._pieces: list[_Piece] = []
        for piece in _split(source, encoding):
            if isinstance(piece, _Field) and constants and piece.name in constants:
                self._pieces += _split(constants[piece.name], encoding)
            else:
                self._pieces.append(piece)
        self._tokens: dict[str, dict[str, list[_Piece]]] = {
            name: {key: _split(str(token), encoding) for key, token in values.tokens.items()}
            for name, values in self._maps.items()
        }
        self._groups: list[tuple[str, _Field | str | None]] = []
        names: set[str] = set()
        pattern = b"".join(self._pattern(piece, names) for piece in self._pieces)
        self.names = frozenset(names)
        self._regex = re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))

    def _group(self, name: str, decoder: _Field | str | None, pattern: bytes) -> bytes:
        self._groups.append((name, decoder))
        return b"(?P<g%d>%s)" % (len(self._groups) - 1, pattern)

    def _pattern(self, piece: _Piece, names: set[str]) -> bytes:
        if isinstance(piece, bytes):
            return re.escape(piece)
        if isinstance(piece, int):
            return _masked_pattern(piece)
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
        nested = {k: p for k, p in tokens.items() if any(isinstance(x, _Field) for x in p)}
        ways = [
            self._group(name, key, b"".join(self._pattern(piece, names) for piece in pieces))
            for key, pieces in tokens.items()
            if key in nested
        ]
        plain = {b"".join(_literal(x) for x in p) for k, p in tokens.items() if k not in nested}
        plain |= {
            b"".join(_literal(x) for x in _split(alias, self._encoding))
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
            if isinstance(piece, _Field) and piece.name == "len":
                lengths.append((len(out), piece))
                out += piece.encode(0)
            else:
                out += self._encode(piece, fields)
        for at, piece in lengths:
            blank = piece.encode(0)
            after = len(out) - at - len(blank)
            out = out[:at] + piece.encode(after) + out[at + len(blank) :]
        return out

    def _encode(self, piece: _Piece, fields: Fields) -> bytes:
        if isinstance(piece, bytes):
            return piece
        if isinstance(piece, int):
            return _masked_byte(piece)
        if piece.name == "*":
            return b""
        if piece.name not in fields:
            raise TemplateError(f"no value for {{{piece.name}}} in {self.source!r}")
        value = fields[piece.name]
        tokens = self._tokens.get(piece.name)
        if tokens is None:
            return piece.encode(value)
        key = _as_text(value)
        if isinstance(value, Unmapped):
            return bytes.fromhex(value) if self._encoding == "hex" else value.encode()
        if key not in tokens:
            raise TemplateError(f"{piece.name}={value!r} is none of {', '.join(tokens)}")
        return b"".join(self._encode(inner, fields) for inner in tokens[key])

    def match(self, body: bytes, known: Fields = _NOTHING) -> dict[str, Any] | None:
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
            if name in known and not _same(known[name], value):
                return None
        return fields

    def _logical(self, name: str, raw: bytes) -> str:
        fold = raw.lower() if self._ignore_case else raw
        for key, pieces in self._tokens[name].items():
            if any(isinstance(piece, _Field) for piece in pieces):
                continue
            token = b"".join(_literal(piece) for piece in pieces)
            if token == raw or (self._ignore_case and token.lower() == fold):
                return key
        for alias, key in self._maps[name].aliases.items():
            token = b"".join(_literal(piece) for piece in _split(alias, self._encoding))
            if token == raw or (self._ignore_case and token.lower() == fold):
                return key
        text = raw.hex() if self._encoding == "hex" else raw.decode("utf-8", "replace")
        return Unmapped(text)


def _literal(piece: _Piece) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, int):
        return _masked_byte(piece)
    raise TemplateError("a field can't stand here")


# --- JSON and MQTT -----------------------------------------------------------------------------


class JsonTemplate(Template):
    """A JSON structure; strings of the form "{field}" take typed values."""

    def __init__(
        self,
        source: Mapping[str, Any],
        maps: Mapping[str, ValueMap] | None = None,
        constants: Mapping[str, str] | None = None,
    ) -> None:
        self.source = json.dumps(source)
        self._maps, self._constants = dict(maps or {}), dict(constants or {})
        names: set[str] = set()
        self._shape = self._compile(dict(source), names)
        self.names = frozenset(names)

    def _compile(self, node: Any, names: set[str]) -> Any:
        if isinstance(node, Mapping):
            return {
                (self._compile(key, names) if "{" in key else key): self._compile(value, names)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [self._compile(value, names) for value in node]
        if not isinstance(node, str) or "{" not in node:
            return node
        pieces = _split_text(node)
        if len(pieces) == 1 and isinstance(pieces[0], _Field):
            only = pieces[0]
            if only.name in self._constants:
                return self._constants[only.name]
            if only.name != "*":
                names.add(only.name)
            return only
        text = BytesTemplate(node, "text", self._maps, self._constants)
        names |= text.names
        return text

    def build(self, fields: Fields) -> bytes:
        return json.dumps(self._build(self._shape, fields), separators=(",", ":")).encode()

    def _build(self, node: Any, fields: Fields) -> Any:
        if isinstance(node, dict):
            return {
                (k.build(fields).decode() if isinstance(k, BytesTemplate) else k): self._build(
                    v, fields
                )
                for k, v in node.items()
            }
        if isinstance(node, list):
            return [self._build(value, fields) for value in node]
        if isinstance(node, BytesTemplate):
            return node.build(fields).decode()
        if not isinstance(node, _Field):
            return node
        if node.name == "*":
            return None
        if node.name not in fields:
            raise TemplateError(f"no value for {{{node.name}}} in {self.source}")
        value = fields[node.name]
        if node.name in self._maps:
            tokens = self._maps[node.name].tokens
            key = _as_text(value)
            if key not in tokens:
                raise TemplateError(f"{node.name}={value!r} is none of {', '.join(tokens)}")
            return tokens[key]
        return value

    def match(self, body: bytes, known: Fields = _NOTHING) -> dict[str, Any] | None:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return None
        fields: dict[str, Any] = {}
        return fields if self._match(self._shape, data, fields, known) else None

    def _match(self, node: Any, data: Any, fields: dict[str, Any], known: Fields) -> bool:
        if isinstance(node, dict):
            return isinstance(data, dict) and all(
                self._match_key(key, value, data, fields, known) for key, value in node.items()
            )
        if isinstance(node, list):
            return (
                isinstance(data, list)
                and len(data) >= len(node)
                and all(self._match(n, d, fields, known) for n, d in zip(node, data, strict=False))
            )
        if isinstance(node, BytesTemplate):
            found = node.match(data.encode(), known) if isinstance(data, str) else None
            return found is not None and _merge(fields, found)
        if not isinstance(node, _Field):
            return type(node) is type(data) and bool(node == data)
        if node.name == "*":
            return True
        value = self._logical(node.name, data)
        if node.name in known and not _same(known[node.name], value):
            return False
        return _merge(fields, {node.name: value})

    def _match_key(
        self, key: Any, value: Any, data: dict[str, Any], fields: dict[str, Any], known: Fields
    ) -> bool:
        if isinstance(key, str):
            return key in data and self._match(value, data[key], fields, known)
        for name, inner in data.items():
            found = key.match(name.encode(), known)
            if found is not None and _merge(fields, found):
                return self._match(value, inner, fields, known)
        return False

    def _logical(self, name: str, data: Any) -> Any:
        values = self._maps.get(name)
        if values is None:
            return data if isinstance(data, Token) else Unmapped(json.dumps(data))
        for key, token in values.tokens.items():
            if type(token) is type(data) and token == data:
                return key
        return values.aliases.get(str(data), Unmapped(str(data)))


def _same(known: Any, found: Any) -> bool:
    if known == found:
        return True
    mine, theirs = _as_text(known), _as_text(found)
    return mine == theirs or re.sub("[:.-]", "", mine).lower() == theirs.lower()


def _merge(fields: dict[str, Any], found: Mapping[str, Any]) -> bool:
    return all(fields.setdefault(name, value) == value for name, value in found.items())


class TopicTemplate(Template):
    """An MQTT message: a topic and a payload, carried as `topic NUL payload`."""

    def __init__(self, topic: BytesTemplate, payload: Template, *, retain: bool) -> None:
        self.topic, self.payload, self.retain = topic, payload, retain
        self.names = topic.names | payload.names
        self.source = f"{topic.source} {payload.source}"

    def build(self, fields: Fields) -> bytes:
        return self.topic.build(fields) + TOPIC_END + self.payload.build(fields)

    def match(self, body: bytes, known: Fields = _NOTHING) -> dict[str, Any] | None:
        topic, _, payload = body.partition(TOPIC_END)
        fields = self.topic.match(topic, known)
        if fields is None:
            return None
        found = self.payload.match(payload, known)
        return fields if found is not None and _merge(fields, found) else None


# --- OSC: a datagram and its text form ---------------------------------------------------------


def osc_datagram(text: bytes) -> bytes:
    """`/address ,tags arg…` as the datagram that OSC 1.0 defines (tags i, f, s, T, F)."""
    address, *rest = _osc_words(text.decode())
    tags = rest[0] if rest else ","
    out, values = _osc_string(address) + _osc_string(tags), iter(rest[1:])
    for tag in tags[1:]:
        if tag == "i":
            out += struct.pack(">i", int(float(next(values))))
        elif tag == "f":
            out += struct.pack(">f", float(next(values)))
        elif tag == "s":
            out += _osc_string(next(values))
        elif tag not in "TFNI":
            raise TemplateError(f"OSC tag {tag} is not one of i f s T F N I")
    return out


def osc_text(datagram: bytes) -> bytes | None:
    """The text form of a received datagram, or None when it is no OSC message."""
    try:
        address, at = _osc_read(datagram, 0)
        if not address.startswith("/"):
            return None
        if at >= len(datagram):
            return address.encode()
        tags, at = _osc_read(datagram, at)
        words = [address, tags]
        for tag in tags[1:]:
            if tag == "i":
                words.append(str(struct.unpack_from(">i", datagram, at)[0]))
                at += 4
            elif tag == "f":
                words.append(f"{struct.unpack_from('>f', datagram, at)[0]:.6g}")
                at += 4
            elif tag == "s":
                text, at = _osc_read(datagram, at)
                words.append(json.dumps(text) if " " in text or not text else text)
            elif tag == "b":
                size = struct.unpack_from(">i", datagram, at)[0]
                if size < 0 or at + 4 + size > len(datagram):
                    return None
                words.append(datagram[at + 4 : at + 4 + size].hex())
                at += 4 + (size + 3) // 4 * 4
            elif tag not in "TFNI":
                return None
        return " ".join(words).encode()
    except (struct.error, ValueError, IndexError):
        return None


def _osc_words(text: str) -> list[str]:
    return [
        json.loads(word) if word.startswith('"') else word
        for word in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text)
    ]


def _osc_string(text: str) -> bytes:
    raw = text.encode()
    return raw + b"\0" * (4 - len(raw) % 4)


def _osc_read(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 4 - (end - at) % 4


def compile_template(
    source: str | Mapping[str, Any],
    encoding: Encoding,
    maps: Mapping[str, ValueMap] | None = None,
    constants: Mapping[str, str] | None = None,
    *,
    ignore_case: bool = False,
) -> Template:
    """The template for `source`; a table with `topic` is an MQTT message, another table JSON."""
    if isinstance(source, str):
        if encoding == "json":
            raise TemplateError("this profile speaks JSON: write a table, such as { on = true }")
        return BytesTemplate(source, encoding, maps, constants, ignore_case=ignore_case)
    if "topic" not in source:
        if encoding != "json":
            raise TemplateError('a table needs frame.encoding = "json", or a topic for MQTT')
        return JsonTemplate(source, maps, constants)
    unknown = set(source) - {"topic", "text", "json", "retain"}
    if unknown or ("text" in source) == ("json" in source):
        raise TemplateError("an MQTT message is { topic, text } or { topic, json }, and retain")
    payload: Template
    if "json" in source:
        payload = JsonTemplate(source["json"], maps, constants)
    else:
        payload = BytesTemplate(source["text"], "text", maps, constants, ignore_case=ignore_case)
    topic = BytesTemplate(source["topic"], "text", maps, constants)
    return TopicTemplate(topic, payload, retain=bool(source.get("retain", False)))

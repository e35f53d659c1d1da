"""Templates of whole messages: JSON structures, MQTT's topic with payload, HTTP's requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from firmware_profiles.fields import (
    Encoding,
    Field,
    Fields,
    TemplateError,
    Token,
    Unmapped,
    ValueMap,
    as_text,
    same,
    split_text,
)
from firmware_profiles.template import NOTHING, BytesTemplate, Template

TOPIC_END = b"\x00"
"""Stands between topic and payload in the body of an MQTT message, and between an HTTP request's
first line (`GET /path`) or its answer's status and the content."""
_VERBS = ("get", "post", "put")


class JsonTemplate(Template):
    """A JSON structure; strings of the form "{field}" take typed values, "{null}" is null."""

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
        pieces = split_text(node)
        if len(pieces) == 1 and isinstance(pieces[0], Field):
            only = pieces[0]
            if only.name == "null":
                return None
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
        if not isinstance(node, Field):
            return node
        if node.name == "*":
            return None
        if node.name not in fields:
            raise TemplateError(f"no value for {{{node.name}}} in {self.source}")
        value = fields[node.name]
        if node.name in self._maps:
            tokens = self._maps[node.name].tokens
            key = as_text(value)
            if key not in tokens:
                raise TemplateError(f"{node.name}={value!r} is none of {', '.join(tokens)}")
            return tokens[key]
        return value

    def match(self, body: bytes, known: Fields = NOTHING) -> dict[str, Any] | None:
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
        if not isinstance(node, Field):
            return type(node) is type(data) and bool(node == data)
        if node.name == "*":
            return True
        value = self._logical(node.name, data)
        if node.name in known and not same(known[node.name], value):
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


def _merge(fields: dict[str, Any], found: Mapping[str, Any]) -> bool:
    return all(fields.setdefault(name, value) == value for name, value in found.items())


class TopicTemplate(Template):
    """A message of two parts, carried as `topic NUL payload`: MQTT's topic and payload, an HTTP
    request's `GET /path` and content, or an HTTP answer's status and content."""

    def __init__(self, topic: BytesTemplate, payload: Template, *, retain: bool) -> None:
        self.topic, self.payload, self.retain = topic, payload, retain
        self.names = topic.names | payload.names
        self.source = f"{topic.source} {payload.source}"

    def build(self, fields: Fields) -> bytes:
        return self.topic.build(fields) + TOPIC_END + self.payload.build(fields)

    def match(self, body: bytes, known: Fields = NOTHING) -> dict[str, Any] | None:
        topic, _, payload = body.partition(TOPIC_END)
        fields = self.topic.match(topic, known)
        if fields is None:
            return None
        found = self.payload.match(payload, known)
        return fields if found is not None and _merge(fields, found) else None


def compile_template(
    source: str | Mapping[str, Any],
    encoding: Encoding,
    maps: Mapping[str, ValueMap] | None = None,
    constants: Mapping[str, str] | None = None,
    *,
    ignore_case: bool = False,
) -> Template:
    """The template for `source`; a table with `topic` is an MQTT message, one with `get`, `post`,
    `put` or `status` (or, in a text profile, only `json`) an HTTP message, another table JSON."""
    if isinstance(source, str):
        if encoding == "json":
            raise TemplateError("this profile speaks JSON: write a table, such as { on = true }")
        return BytesTemplate(source, encoding, maps, constants, ignore_case=ignore_case)
    if "topic" not in source:
        if encoding != "json":
            return _http(source, maps, constants)
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


def _http(
    source: Mapping[str, Any],
    maps: Mapping[str, ValueMap] | None,
    constants: Mapping[str, str] | None,
) -> Template:
    """A request (`{ get = "/path" }`, `{ post = "/path", json = {…} }`) or an answer (`{ json }`,
    `{ status = 404, text = "…" }`; a status that isn't named is 200)."""
    verbs = [verb for verb in _VERBS if verb in source]
    unknown = set(source) - {*_VERBS, "status", "text", "json"}
    contents = sum(key in source for key in ("text", "json"))
    if unknown or len(verbs) + ("status" in source) > 1 or contents > 1 or not source:
        raise TemplateError(
            "a table is an MQTT message { topic, text or json }, an HTTP request "
            "{ get, post or put, text or json } or answer { status, text or json }; "
            'otherwise frame.encoding = "json" is needed'
        )
    if not verbs and not contents:
        raise TemplateError("an HTTP answer needs text or json")
    head = f"{verbs[0].upper()} {source[verbs[0]]}" if verbs else str(source.get("status", 200))
    payload: Template
    if "json" in source:
        payload = JsonTemplate(source["json"], maps, constants)
    else:
        payload = BytesTemplate(source.get("text", ""), "text", maps, constants)
    return TopicTemplate(BytesTemplate(head, "text", maps, constants), payload, retain=False)

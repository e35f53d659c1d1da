"""The API's description (OpenAPI 3.1) as the product's own: what a call is for, who may make it,
what errors look like, and what comes over the event stream."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from controller.state import AccessRole, Event, RoomView
from dashboard.problems import Problem

PROBLEM = "application/problem+json"
REF = "#/components/schemas/{model}"
ABOUT = """
Errors are problem+json (RFC 9457) with a stable `code`, a sentence and what to do about it.

Programs send a token of `[[auth.tokens]]` as `Authorization: Bearer …`; pages sign in and have a
cookie. `x-role` names the least role that a call needs: `student`, `instructor`, `technician`,
`admin`; `viewer` is whoever may see that recording, `tablet` a paired tablet, `everyone` anyone.

`GET /api/v1/events` is a WebSocket: see `x-websockets`.
"""
WORDS = {
    "viewer": "Whoever may see the recording.",
    "tablet": "A paired tablet, by its own credential.",
    "everyone": "Everyone.",
}

TIMES = {"date-time": "2026-09-01T08:15:00Z", "date": "2026-09-01", "time": "08:15:00"}
SAMPLES = {
    "id": "front",
    "room": "lab-2",
    "name": "Lecture hall 2",
    "room_name": "Lecture hall 2",
    "title": "Optics, lecture 4",
    "course": "PHY-101",
    "lecturer": "",
    "language": "en",
    "languages": "en",
    "timezone": "Europe/Oslo",
    "recording": "33c33e0d",
    "session": "s-20260901-0815",
    "device": "projector",
    "profile": "pjlink/class1",
    "transport": "tcp://10.0.12.31:4352",
    "url": "http://classroom.example/",
    "target": "opencast",
    "detail": "",
    "remedy": "",
    "layouts": "slides+presenter",
    "scenes": "start",
}
"""What a text of that name looks like."""


def describe(app: FastAPI, roles: dict[tuple[str, str], str]) -> dict[str, Any]:
    """The description of `app`; `roles` names the least role for each (method, path)."""
    if app.openapi_schema:
        return app.openapi_schema
    described = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=ABOUT.strip(),
        routes=app.routes,
    )
    components = described.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, told = models_json_schema(
        [(Event, "serialization"), (RoomView, "serialization"), (Problem, "serialization")],
        ref_template=REF,
    )
    for name, one in told["$defs"].items():
        schemas.setdefault(name, one)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "classroomd"},
    }
    for path, item in described["paths"].items():
        for method, operation in item.items():
            _improve(operation, roles.get((method.upper(), path), "everyone"))
            _exemplify(operation, schemas)
    described["x-websockets"] = {
        "/api/v1/events": {
            "description": "One text for each event: first `snapshot` with the whole room, then "
            "every change, and a `tick` in silence. Nothing is expected from the client.",
            "x-role": AccessRole.INSTRUCTOR.value,
            "message": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {
                            "kind": {"const": "snapshot"},
                            "data": {"$ref": "#/components/schemas/RoomView"},
                        },
                    },
                    {"$ref": "#/components/schemas/Event"},
                ]
            },
        }
    }
    app.openapi_schema = described
    return described


def _improve(operation: dict[str, Any], role: str) -> None:
    text = operation.get("description", "")
    sentence = re.split(r"(?<=[.;:])\s|\n\n", " ".join(text.split("\n\n")[0].split()), maxsplit=1)
    if text:
        operation["summary"] = sentence[0].rstrip(".;:")
    operation["x-role"] = role
    operation["security"] = [{}] if role == "everyone" else [{"token": []}, {"cookie": []}]
    if role in WORDS:
        operation["description"] = f"{text}\n\nFor: {WORDS[role]}"
    responses = operation["responses"]
    for code in ("4XX", "5XX"):
        responses[code] = {
            "description": "What is wrong, and what to do",
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    responses.pop("422", None)


def _exemplify(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """A body that fits, and an answer, for whoever tries the call: the model's own example, or one
    made of its fields' examples and defaults. An answer always carries every field."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None and "example" not in content and "examples" not in content:
        content["example"] = example(content["schema"], schemas)
    for code, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if not code.startswith("2") or content is None:
            continue
        if content.get("schema") == {}:  # a function that returns nothing
            content["schema"] = {"type": "null"}
        if "example" not in content and "examples" not in content:
            content["example"] = example(content["schema"], schemas, whole=True)


def example(
    schema: dict[str, Any],
    schemas: dict[str, Any],
    *,
    whole: bool = False,
    name: str = "",
    inside: tuple[str, ...] = (),
) -> Any:
    """A value that fits `schema`; `whole` fills every field, a list with one of its kind.

    `name` is the field's, `inside` the models that it lies in: one that holds itself ends there.
    """
    if "$ref" in schema:
        model = schema["$ref"].rpartition("/")[2]
        nested = (*inside, model)
        return example(schemas[model], schemas, whole=whole, name=name, inside=nested)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "const" in schema:
        return schema["const"]
    if "default" in schema and not (whole and schema["default"] in ("", [], {}, None)):
        return schema["default"]

    def of(one: dict[str, Any], field: str = name) -> Any:
        return example(one, schemas, whole=whole, name=field, inside=inside)

    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return of(schema[key][0])
    match schema.get("type"):
        case "object":
            wanted = set(schema.get("required", []))
            return {
                field: of(one, field)
                for field, one in schema.get("properties", {}).items()
                if whole or field in wanted or "examples" in one
            }
        case "array":
            if "prefixItems" in schema:
                return [of(one) for one in schema["prefixItems"]]
            item = schema.get("items", {})
            known = item.get("$ref", "").rpartition("/")[2] not in inside
            return [of(item)] * max(schema.get("minItems", 0), int(whole and known))
        case "boolean":
            return True
        case "number" | "integer":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "string" if whole and "pattern" not in schema:
            said = TIMES.get(schema.get("format", "")) or SAMPLES.get(name, name or "text")
            return said[: schema.get("maxLength", len(said))]
        case "string":
            return "x" * max(1, schema.get("minLength", 1))
        case _:
            return None

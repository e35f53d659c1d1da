"""TypeScript types of the API's answers, for the pages; run it after changing a model.

`python -m dashboard.web_types` writes web/src/api/types.ts; a test keeps the two alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from controller.analytics import Detail, DeviceFigures, Overview
from controller.discovery import SearchView, TrialView
from controller.journal import JournalEntry
from controller.logbook import LogLine
from controller.recorder_health import RecordingHealth
from controller.rights import RightsView
from controller.roomfile import OldText, RoomText
from controller.state import (
    DeliveryView,
    Event,
    RecordingView,
    RoomView,
    SessionView,
    StepResult,
)
from dashboard.api.admin import Checked, Draft, NewDevice
from dashboard.api.backup import Played, Restored
from dashboard.api.calls import Call
from dashboard.api.console import SheetView
from dashboard.api.discovery import Look, ProfileView, Trial
from dashboard.api.live import LinkView, LiveView
from dashboard.api.login import Login, Me
from dashboard.api.lti import ChoiceAnswer
from dashboard.api.machine import HealthView
from dashboard.api.pairing import CodeView, NewCodes, TabletView
from dashboard.api.review import (
    Heat,
    NewNote,
    NoteText,
    Place,
    RecordingVisibility,
    ReviewLink,
    ReviewLinkRequest,
    ReviewNotes,
    ViewedBuckets,
)
from dashboard.api.rights import Correction, Erase, Hold, Trim, Withdraw
from dashboard.api.session import End, Extend, SetLayout, Start
from dashboard.api.talk import HandState, TalkView
from dashboard.api.timetable import Skip
from dashboard.presets import PresetPicture
from dashboard.problems import Problem
from dashboard.review import RecordingDetail
from devices.model import CommandResult
from devices.tablets.inquiries import Inquiry
from devices.traffic import Traffic
from streaming.push import PushStatus

ANSWERS: list[type[BaseModel]] = [
    Checked,
    CodeView,
    Detail,
    DeviceFigures,
    Draft,
    Inquiry,
    LinkView,
    ChoiceAnswer,
    LiveView,
    Overview,
    Played,
    PushStatus,
    HandState,
    TabletView,
    TalkView,
    CommandResult,
    HealthView,
    JournalEntry,
    LogLine,
    OldText,
    ProfileView,
    Restored,
    RoomText,
    SearchView,
    SheetView,
    TrialView,
    DeliveryView,
    Event,
    Heat,
    Me,
    PresetPicture,
    Problem,
    RecordingDetail,
    RecordingHealth,
    RecordingView,
    RecordingVisibility,
    ReviewLink,
    ReviewNotes,
    RightsView,
    RoomView,
    SessionView,
    StepResult,
    Traffic,
]
QUESTIONS: list[type[BaseModel]] = [
    Call,
    Correction,
    End,
    Erase,
    Extend,
    Hold,
    Login,
    Look,
    NewDevice,
    Trial,
    NewCodes,
    NewNote,
    NoteText,
    Place,
    ReviewLinkRequest,
    SetLayout,
    Skip,
    Start,
    Trim,
    ViewedBuckets,
    Withdraw,
]
TARGET = Path(__file__).parent / "web" / "src" / "api" / "types.ts"
HEAD = "// Made by `python -m dashboard.web_types` from the API's models; do not edit.\n"
PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(_literal(value) for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(_type(one) for one in schema[key]))
    kind = schema.get("type")
    if kind == "null":
        return "null"
    if kind == "array":
        inner = _type(schema.get("items", {}))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        if "properties" in schema:
            return _object(schema)
        extra = schema.get("additionalProperties", {})
        return f"Record<string, {_type(extra) if isinstance(extra, dict) else 'unknown'}>"
    return PLAIN.get(str(kind), "unknown")


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _object(schema: dict[str, Any], *, whole: bool = True) -> str:
    names = schema.get("properties", {})
    required = set(names if whole else schema.get("required", []))
    lines = [
        f"  {name}{'' if name in required else '?'}: {_type(one)};" for name, one in names.items()
    ]
    return "{\n" + "\n".join(lines) + "\n}"


def typescript() -> str:
    """The whole of types.ts."""
    asked: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in ANSWERS]
    asked += [(model, "validation") for model in QUESTIONS]
    _, schema = models_json_schema(asked)
    parts = [HEAD]
    for name, one in sorted(schema["$defs"].items()):
        if one.get("type") == "object":
            # An answer always carries every field; a question may leave those with a default out.
            whole = name not in {model.__name__ for model in QUESTIONS}
            parts.append(f"export interface {name} {_object(one, whole=whole)}\n")
        else:
            parts.append(f"export type {name} = {_type(one)};\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(typescript(), "utf-8")

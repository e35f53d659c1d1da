"""Whatever fits the API's own description, and whatever does not: no answer is a 5xx, each is as
described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from dashboard.app import create_app

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi import checks as described  # noqa: E402

ROLE = {"Authorization": "Bearer token-admin"}
EXAMPLES = 3
ELSEWHERE = ("/api/v1/discovery/", "/api/v1/restore")
"""What looks for devices in the network, and what takes a zip: their own tests do that."""
KNOWN = {
    "device_id": "display",
    "source_id": "front",
    "command": "power",
    "scene": "film",
    "form": "csv",
}
CHECKS = [
    not_a_server_error,
    described.status_code_conformance,
    described.content_type_conformance,
    described.response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The described application, over a room with one finished lecture."""
    from pretend_room import PretendRoom

    from controller.settings import AuthSettings, TokenSpec
    from controller.state import AccessRole

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_TOKEN_ADMIN", "token-admin")
        root: Path = tmp_path_factory.mktemp("schema")
        room = PretendRoom(root / "recordings")
        recording = room.record("Optics", b"lecture")
        token = TokenSpec(name="bot", role=AccessRole.ADMIN, secret="env:TEST_TOKEN_ADMIN")
        app = create_app(room, auth=AuthSettings(tokens=[token]), secret_key=b"k" * 32, pages=root)  # type: ignore[arg-type]
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        """Every second address names something that is there."""
        known = {**KNOWN, "recording_id": recording.id}
        for name, value in (path_parameters or {}).items():
            if name in known and len(str(value)) % 2:
                path_parameters[name] = known[name]
        return path_parameters

    return schema


MODES = {mode.value: mode for mode in schemathesis.GenerationMode}


def _try(operation: Any, mode: Any) -> str | None:
    """What is wrong with the answers of one operation."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answers(case: Any) -> None:
        case.call_and_validate(headers=ROLE, checks=CHECKS)

    try:
        answers()
    except Unsatisfiable:
        return None  # nothing can be wrong here: it takes no input
    except (Exception, BaseExceptionGroup) as error:
        told = "; ".join(str(one) for one in getattr(error, "exceptions", [error]))
        return f"{operation.label}: {told}"
    return None


@pytest.mark.parametrize("mode", MODES)
def test_every_answer_is_as_described(api: Any, mode: str) -> None:
    """`positive`: what fits the description; `negative`: what does not."""
    found = [found.ok() for found in api.get_all_operations()]
    operations = [one for one in found if not one.path.startswith(ELSEWHERE)]
    assert len(operations) > 60
    wrong = [told for one in operations if (told := _try(one, MODES[mode]))]
    assert not wrong, "\n\n".join(wrong)


def test_every_call_is_explained_and_has_a_body_to_try(api: Any) -> None:
    described = api.raw_schema
    schemas = {"components": described["components"]}
    for path, item in described["paths"].items():
        for method, operation in item.items():
            place = f"{method} {path}"
            assert len(operation["summary"]) > 5, place
            assert operation["x-role"], place
            assert operation["responses"]["4XX"]["content"].keys() == {"application/problem+json"}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                tried = body["example"] if "example" in body else body["examples"][0]
                jsonschema.validate(tried, {**body["schema"], **schemas})


def test_the_event_stream_is_described(api: Any) -> None:
    told = api.raw_schema["x-websockets"]["/api/v1/events"]
    assert told["x-role"] == "instructor"
    assert "Event" in api.raw_schema["components"]["schemas"]

"""What leaves the room holds no secret: by where it stands, by its name, by its value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.redaction import Redaction, configured_secrets
from controller.settings import RoomConfig


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("opening rtsp://admin:hunter2@10.0.0.9/1", "opening rtsp://***@10.0.0.9/1"),
        ("login refused password=hunter2 user=tech", "login refused password=*** user=tech"),
        ('{"api_key": "hunter2", "n": 1}', '{"api_key": ***, "n": 1}'),
        ("Authorization: Bearer hunter2hunter2", "Authorization: ***"),
        ("GET /live?token=hunter2&n=1", "GET /live?token=***&n=1"),
        ("publishing to rtmp://a/live/str3am-key", "publishing to rtmp://a/live/***"),
        ("the projector is warming: 40 s", "the projector is warming: 40 s"),
    ],
)
def test_a_line_is_told_without_its_secret(said: str, left: str) -> None:
    assert Redaction(["str3am-key"]).text(said) == left


def test_data_keeps_its_shape() -> None:
    told = {"user": "tech", "secret": "hunter2", "tried": [{"pin": 4711}, "x://a:b@c"], "no": None}
    kept = Redaction().value(told)
    assert kept == {"user": "tech", "secret": "***", "tried": [{"pin": "***"}, "x://***@c"]} | {
        "no": None
    }
    json.dumps(kept)


def test_the_rooms_own_secrets_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "camera").write_text("viewer:hunter2\nof the camera in front\n")
    monkeypatch.setenv("OPERATOR_PIN", "471147")
    config = RoomConfig.model_validate(
        {
            "room": {"id": "lab", "name": "Lab"},
            "auth": {"users": [{"name": "T", "role": "admin", "secret": "env:OPERATOR_PIN"}]},
            "sources": [
                {
                    "id": "front",
                    "role": "presenter",
                    "url": "rtsp://10.0.0.9/1",
                    "secret": f"file:{tmp_path / 'camera'}",
                }
            ],
        }
    )
    found = configured_secrets(config)
    whole = "viewer:hunter2\nof the camera in front"
    assert {whole, "viewer:hunter2", "hunter2", "471147"} <= found
    assert Redaction(found).text("tried 471147, then hunter2") == "tried ***, then ***"

"""room.toml: what is accepted, and that what is not is said with line, key and remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from controller.config import ConfigError, RoomConfig, SecretError, load, resolve_secret

EXAMPLE = Path(__file__).parents[2] / "docs" / "room.example.toml"
DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
ROOM = '[room]\nid = "lab"\nname = "Lab"\n'
BOARD = '[[devices]]\nid = "board"\nprofile = "samsung/mdc"\ntransport = "serial:///dev/ttyUSB0"\n'


def refused(tmp_path: Path, text: str | bytes) -> ConfigError:
    path = tmp_path / "room.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    return caught.value


def models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models(part)]


def known_keys(model: type[BaseModel], path: str = "") -> set[str]:
    keys = set()
    for name, field in model.model_fields.items():
        key = f"{path}.{field.alias or name}".lstrip(".")
        below = models(field.annotation)
        keys |= {key} if not below else set()
        for inner in below:
            keys |= known_keys(inner, key)
    return keys


def written_keys(value: Any, path: str = "") -> set[str]:
    if isinstance(value, list):
        return {key for part in value for key in written_keys(part, path)} | {path}
    if isinstance(value, dict):
        return {k for key, part in value.items() for k in written_keys(part, f"{path}.{key}")} | {
            path.lstrip(".")
        }
    return {path.lstrip(".")}


def test_example_is_accepted_and_holds_every_key(tmp_path: Path) -> None:
    import tomllib

    load(EXAMPLE)
    whole = re.sub(r"(?m)^# (\w+ = )", r"\1", EXAMPLE.read_text("utf-8"))
    path = tmp_path / "room.toml"
    path.write_text(whole)
    load(path)
    written = written_keys(tomllib.loads(whole))
    assert sorted(known_keys(RoomConfig) - written) == []


def test_document_names_every_key() -> None:
    text = DOCUMENT.read_text("utf-8")
    last = {key.rpartition(".")[2] for key in known_keys(RoomConfig)} - {"from", "until", "mbit_s"}
    assert sorted(key for key in last if not re.search(rf"[`.]{key}\b", text)) == []


def test_smallest_room(tmp_path: Path) -> None:
    path = tmp_path / "room.toml"
    path.write_text(ROOM)
    config = load(path)
    assert config.storage.recordings == tmp_path / "recordings"
    assert config.recording.program().width == 1920
    assert config.mqtt.mode == "auto"
    assert not config.osc.enabled


def test_unknown_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    error = refused(tmp_path, ROOM + '\n[storage]\nrecording = "/x"\n')
    assert (error.line, error.key) == (6, "storage.recording")
    assert "Did you mean 'recordings'?" in str(error)


def test_unknown_key_in_a_scene_step(tmp_path: Path) -> None:
    text = (
        ROOM
        + BOARD
        + '[[scenes]]\nid = "start"\nsteps = [\n'
        + '  {device = "board", command = "power", value = true},\n'
        + '  {device = "board", command = "mute", valeu = true},\n]\n'
    )
    error = refused(tmp_path, text)
    assert (error.line, error.key) == (12, "scenes[0].steps[1].valeu")
    assert "Did you mean 'value'?" in error.remedy


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ('[room]\nid = "lab"\n', 1, "room.name", "missing"),
        ('[room]\nid = "Lab 1"\nname = "x"\n', 2, "room.id", "small letters"),
        (
            ROOM + '[[streaming.push]]\nid = "a"\nurl = "srt://host:9"\n',
            4,
            "streaming.push[0]",
            "live = true",
        ),
        (
            ROOM + '[[streaming.push]]\nid = "a"\nurl = "http://host"\n',
            6,
            "streaming.push[0].url",
            "must begin with",
        ),
        (ROOM + 'timezone = "Mars/Base"\n', 4, "room.timezone", "Europe/Berlin"),
        (ROOM + '[recording]\nlayout = "sldies"\n', 5, "recording.layout", "'side-by-side'"),
        (ROOM + "[recording]\nwidth = 1921\n", 5, "recording.width", "multiple of 2"),
        (ROOM + '[recording]\nfps = "many"\n', 5, "recording.fps", "whole number"),
        (ROOM + "[server]\nport = 99999\n", 5, "server.port", "65535"),
        (ROOM + '[mqtt]\nmode = "external"\n', 5, "mqtt.mode", "port"),
        (ROOM + "[osc]\nenabled = true\n", 5, "osc.enabled", "token"),
        (ROOM + BOARD + BOARD, 9, "devices[1].id", "twice"),
        (ROOM + BOARD.replace("mdc", "mcd"), 6, "devices[0].profile", "samsung"),
        (ROOM + BOARD.replace("serial:///dev/ttyUSB0", "carrier-pigeon"), 7, "devices[0]", ""),
        (ROOM + '[[publish]]\nid = "x"\ntarget = "nowhere"\n', 4, "publish[0]", "folder"),
    ],
)
def test_wrong_value(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    error = refused(tmp_path, text)
    assert error.line == line, str(error)
    assert error.key.startswith(key)
    assert says in str(error)


SCENE = '[[scenes]]\nid = "start"\nsteps = [\n  STEP,\n]\n'


@pytest.mark.parametrize(
    ("step", "key", "says"),
    [
        ('{device = "bord", command = "power", value = true}', "device", "Did you mean 'board'?"),
        ('{device = "board", command = "powre", value = true}', "command", "'power'"),
        ('{device = "board", command = "input", value = "hdmi9"}', "value", "hdmi1"),
        (
            '{device = "board", command = "power", value = true, after = ["light"]}',
            "after",
            "no step is called 'light'",
        ),
    ],
)
def test_step_that_cannot_work(tmp_path: Path, step: str, key: str, says: str) -> None:
    error = refused(tmp_path, ROOM + BOARD + SCENE.replace("STEP", step))
    assert (error.line, error.key) == (11, f"scenes[0].steps[0].{key}")
    assert says in str(error)


def test_steps_in_a_circle(tmp_path: Path) -> None:
    steps = (
        '{device = "board", id = "a", command = "power", value = true, after = ["b"]},'
        '{device = "board", id = "b", command = "mute", value = true}'
    )
    error = refused(tmp_path, ROOM + BOARD + SCENE.replace("STEP", steps))
    assert "circle" in str(error)


def test_everything_wrong_is_listed_by_line(tmp_path: Path) -> None:
    error = refused(tmp_path, ROOM + "nam = 1\n[server]\nprot = 1\n[osc]\nport = -1\n")
    assert [(e.line, e.key) for e in [error, *error.others]] == [
        (4, "room.nam"),
        (6, "server.prot"),
        (8, "osc.port"),
    ]


def test_syntax_error_names_line(tmp_path: Path) -> None:
    error = refused(tmp_path, ROOM + "timezone = Europe/Berlin\n")
    assert error.line == 4
    assert "not TOML" in str(error)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[room", b"= 1", b'a = """', b"[a]\n[a]"])
def test_hostile_files(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")


def test_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = ROOM + '[[auth.users]]\nname = "panel"\nrole = "instructor"\nsecret = "hunter2"\n'
    error = refused(tmp_path, text)
    assert error.line == 7
    assert "env:NAME" in error.remedy
    assert "hunter2" not in str(error)


def test_password_of_a_device_in_the_file_is_refused(tmp_path: Path) -> None:
    text = ROOM + (
        '[[devices]]\nid = "p"\nprofile = "pjlink/class1"\ntransport = "tcp://10.0.0.1"\n'
        'options = { password = "hunter2" }\n'
    )
    error = refused(tmp_path, text)
    assert error.key == "devices[0].options.password"
    assert "hunter2" not in str(error)


def test_secrets_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pin").write_text(" 1234\n")
    monkeypatch.setenv("A_SECRET", "s3cret\n")
    assert resolve_secret(f"file:{tmp_path / 'pin'}") == "1234"
    assert resolve_secret("file:pin", base=tmp_path) == "1234"
    assert resolve_secret("env:A_SECRET") == "s3cret"


@pytest.mark.parametrize(
    "reference", ["env:NOT_SET_ANYWHERE", "file:/none/there", "plain", "file:"]
)
def test_secret_that_is_not_there(reference: str) -> None:
    with pytest.raises(SecretError, match=r"\.$"):
        resolve_secret(reference)

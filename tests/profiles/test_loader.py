"""A damaged profile is told with file, line, key and remedy; a site's own stand first."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import pytest

from firmware_profiles.catalog import Catalog, UnknownProfile, load
from firmware_profiles.loader import ProfileError
from firmware_profiles.schema import json_schema

GOOD = """title = "Test display"
vendor = "Test"
kind = "display"

[transports]
tcp = { port = 5000 }

[frame]
tx = { end = "\\r" }

[defaults]
set = "{cmd} {value}"
get = "{cmd} ?"
is = "{cmd} {value}"
ack = "ok"

[commands.power]
cmd = "PWR"
values = { on = "1", off = "0" }

[commands.volume]
cmd = "VOL"
range = [0, 100]

[[evidence]]
document = "none"
status = "unverified"
"""


def _load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "test.toml"
    file.write_text(text)
    return load(file)


def test_a_good_one_loads(tmp_path: Path) -> None:
    assert _load(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ('title = "Test display"', "title = Test display", 1, "", "not TOML"),
        ('vendor = "Test"\n', "", 0, "vendor", "Field required"),
        ('kind = "display"', 'kind = "screeen"', 3, "kind", "Use 'display'"),
        ("port = 5000", "port = 70000", 6, "transports.tcp.port", "65535"),
        ('cmd = "VOL"', 'comand = "VOL"', 22, "commands.volume.comand", "Did you mean 'cmd'"),
        ("range = [0", "rnage = [0", 23, "commands.volume.rnage", "Did you mean 'range'"),
        ('get = "{cmd} ?"', 'get = "{cmd"', 13, "defaults.get", "single {"),
        ('set = "{cmd} {value}"', 'set = "{cmd} {level}"', 12, "defaults.set", "{level}"),
        ('tx = { end = "\\r" }', "tx = {}", 9, "frame.tx", "where a frame ends"),
        ("[commands.volume]", "[commands.Volume]", 21, "commands.Volume", "pattern"),
        ('tcp = { port = 5000 }', "", 5, "transports", "no transport"),
        ('values = { on = "1", off = "0" }', 'aliases = { "2" = "x" }', 19,
         "commands.power.aliases", "stands for 'x'"),
    ],
)  # fmt: skip
def test_what_is_wrong_and_where(
    tmp_path: Path, old: str, new: str, line: int, key: str, message: str
) -> None:
    assert old in GOOD
    with pytest.raises(ProfileError) as caught:
        _load(tmp_path, GOOD.replace(old, new))
    error = caught.value
    assert (error.line, error.key.removesuffix(".[key]")) == (line, key), str(error)
    assert message in str(error)
    assert error.file.endswith("test.toml") and error.remedy


HTTP = """title = "Test relay"
vendor = "Test"
kind = "relay"

[transports]
http = {}

[session]
kind = "http"

[commands.relay]
values = { on = "on", off = "off" }
set = { get = "/relay?turn={value}" }
ack = { json = { ison = "{value}" } }
get = { get = "/relay" }
is = { json = { ison = "{value}" } }
reads = { true = "on", false = "off" }

[[evidence]]
document = "none"
status = "unverified"
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ('kind = "http"', 'kind = "plain"', 6, "transports.http", "refused password"),
        ("http = {}", "tcp = { port = 80 }", 13, "commands.relay.set", "transports.http"),
        ('{ get = "/relay" }', '{ gett = "/relay" }', 15, "commands.relay.get", "HTTP request"),
        ('{ get = "/relay" }', '{ get = "/a", put = "/b" }', 15, "commands.relay.get", "HTTP"),
        ('ack = { json = { ison = "{value}" } }', "ack = { status = 200 }", 14,
         "commands.relay.ack", "needs text or json"),
        ('"/relay?turn={value}"', '"/relay?turn={value"', 13, "commands.relay.set", "single {"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_message_of_http(
    tmp_path: Path, old: str, new: str, line: int, key: str, message: str
) -> None:
    assert _load(tmp_path, HTTP)
    assert old in HTTP
    with pytest.raises(ProfileError) as caught:
        _load(tmp_path, HTTP.replace(old, new))
    error = caught.value
    assert (error.line, error.key) == (line, key), str(error)
    assert message in str(error) and error.remedy


def test_a_sites_own_profile_stands_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "samsung").mkdir()
    (tmp_path / "samsung" / "mdc.toml").write_text(GOOD)
    (tmp_path / "own.toml").write_text('extends = "samsung/mdc"\n' + GOOD.split("[transports]")[0])
    catalog = Catalog([tmp_path])
    assert catalog.get("samsung/mdc").title == "Test display"
    assert "own" in catalog.names()
    with pytest.raises(ProfileError, match="evidence"):
        catalog.get("own")


def test_extending_merges_replaces_and_removes(tmp_path: Path) -> None:
    (tmp_path / "child.toml").write_text(
        """extends = "samsung/mdc"
title = "Child"
vendor = "Samsung"
kind = "panel"
[commands]
mute = false
[commands.input]
values = { ops = "50" }
aliases = {}
[[evidence]]
document = "none"
status = "unverified"
"""
    )
    child = Catalog([tmp_path]).get("child")
    assert "mute" not in child.commands
    assert dict(child.commands["input"].values) == {"ops": "50"}
    assert child.commands["input"].cmd == "14"


def test_what_is_not_there_cannot_be_taken_away(tmp_path: Path) -> None:
    text = 'extends = "samsung/mdc"\ntitle = "T"\nvendor = "V"\nkind = "display"\n'
    with pytest.raises(
        ProfileError, match=r"test.toml:6: commands.lamp: .* has no lamp: remove the line"
    ):
        _load(tmp_path, text + "[commands]\nlamp = false\n")


def test_extending_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"test.toml:1: extends: no profile 'samsung/mcd'"):
        _load(tmp_path, 'extends = "samsung/mcd"\n' + GOOD)


def test_dialects_are_chosen_by_model_and_firmware(tmp_path: Path) -> None:
    text = (
        GOOD
        + """
[[dialects]]
name = "old"
model = "^QB"
firmware = "^1\\\\."
[dialects.change.commands.volume]
range = [0, 50]
"""
    )
    (tmp_path / "d.toml").write_text(text)
    catalog = Catalog([tmp_path])
    found = catalog.dialect("d", "QB55", "1.2")
    assert found is not None and found[0] == "old"
    assert found[1].commands["volume"].range == (0, 50)
    assert catalog.dialect("d", "QB55", "2.0") is None


def test_an_unknown_name_gets_near_ones() -> None:
    with pytest.raises(UnknownProfile, match="samsung/mdc"):
        Catalog().get("samsung/mcd")


def test_the_json_schema_takes_every_shipped_file() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    root = Path(__file__).resolve().parents[2] / "firmware_profiles"
    files = sorted(root.rglob("*.toml"))
    assert files
    for file in files:
        raw = tomllib.loads(file.read_text())
        if "extends" in raw:
            continue
        validator.validate(raw)

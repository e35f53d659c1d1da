"""docs/devices.md is as the catalogue is, and the catalogue is as large as it claims."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from classroomd.cli import app
from firmware_profiles.catalog import Catalog
from firmware_profiles.table import document, family_of, profiles_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_document_is_up_to_date() -> None:
    made = document(Catalog())
    assert DOCUMENT.read_text("utf-8") == made, (
        "run: classroomd profiles table --out docs/devices.md"
    )


def test_at_least_thirty_families_and_sixty_models() -> None:
    profiles = profiles_of(Catalog())
    sure = [p for p in profiles if any(e.status != "unverified" for e in p.evidence)]
    assert len({family_of(profile) for profile in sure}) >= 30
    assert len({model for profile in sure for model in profile.models}) >= 60
    assert all(profile.models for profile in profiles if profile.vendor != "generic")


def test_a_site_sees_its_own_devices(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "board.toml").write_text(
        """extends = "samsung/mdc"
title = "Acme | boards"
vendor = "Acme"
kind = "panel"
models = ["Board 65"]
[[evidence]]
document = "none"
status = "unverified"
"""
    )
    ran = CliRunner().invoke(app, ["profiles", "table", "--path", str(tmp_path)])
    assert ran.exit_code == 0
    assert "| `acme/board` | Acme \\| boards: Board 65 | TCP 1515, serial" in ran.stdout
    ran = CliRunner().invoke(
        app, ["profiles", "check", str(tmp_path / "acme" / "board.toml"), "--json"]
    )
    assert ran.exit_code == 0 and '"rehearsed": true' in ran.stdout.replace("\n", "")


def test_show_says_what_a_device_can(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["profiles", "show", "samsung/mdc", "--json"])
    assert ran.exit_code == 0
    assert '"takes": "0 to 100"' in ran.stdout
    ran = CliRunner().invoke(app, ["profiles", "show", "samsung/mcd"])
    assert ran.exit_code == 2 and "near: samsung/mdc" in ran.output


def test_check_tells_what_a_profile_does_wrong(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        """title = "Wrong"
vendor = "Acme"
kind = "display"
[transports]
tcp = { port = 1 }
[frame]
tx = { end = "\\r" }
[commands.power]
set = "PWR {value}"
get = "PWR?"
is = "PWR={value}"
ack = "OK"
values = { on = "1", off = "0" }
[[evidence]]
document = "The vendor's"
status = "verified"
golden = [{ send = "power=on", tx = "POWER 1\\r", rx = "OK\\r" }]
"""
    )
    ran = CliRunner().invoke(app, ["profiles", "check", str(file)])
    assert ran.exit_code == 1
    assert "documented is" in ran.output
    ran = CliRunner().invoke(app, ["profiles", "check", str(file), "--no-rehearse"])
    assert ran.exit_code == 0

"""The disk is asked how it is, before its folder is there too."""

from __future__ import annotations

from pathlib import Path

from controller.disk_health import disk_health


def test_the_disk_says_how_it_is(tmp_path: Path) -> None:
    found = disk_health(tmp_path / "not" / "yet")
    assert found.total_bytes > found.free_bytes > 0 and not found.read_only
    assert found.sync_ms is not None and found.kind
    assert list(tmp_path.iterdir()) == [], "the trial leaves nothing"

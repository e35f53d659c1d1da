"""What holds for the house as a whole: its documents are true, its files are ours and small."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from classroomd.cli import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])


def tracked() -> list[Path]:
    """The files of the repository; without git, none."""
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
        if "://" not in link:
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_every_top_folder_says_what_lives_in_it() -> None:
    folders = [path.parent for path in ROOT.glob("*/__init__.py")]
    assert len(folders) >= 8
    assert [str(folder) for folder in folders if not (folder / "README.md").exists()] == []


def test_the_readme_leads_to_every_document() -> None:
    linked = re.findall(r"\]\(docs/([^)#]+\.md)\)", (ROOT / "README.md").read_text())
    assert sorted(linked) == sorted(path.name for path in ROOT.glob("docs/*.md"))


def test_no_file_holds_a_registry_or_a_path_of_one_machine() -> None:
    hosts = [b"pypi" + b".org", b"pythonhosted" + b".org", b"registry.npm" + b"js.org"]
    hosts += [b'"resolved": "' + b"http", b"deb." + b"debian.org"]
    guilty = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if any(host in path.read_bytes() for host in hosts)
    ]
    assert guilty == []


def test_no_file_is_larger_than_a_megabyte() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > 1_000_000] == []


def test_the_daemon_loads_no_codec() -> None:
    script = (
        "import sys, classroomd.daemon\nprint(sorted({'av', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"


def said_in(document: Path) -> str:
    """What the document sets as code: fenced blocks and what stands between backticks."""
    text = document.read_text()
    blocks = re.findall(r"^```(?:console|sh|bash)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", rest)])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_commands_in_documents_exist(document: Path) -> None:
    code = said_in(document)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets
    for name in re.findall(r"^make bench NAME=(\w+)", code, re.MULTILINE):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name
    for module in re.findall(r"python -m ((?:\w+\.)*\w+)", code):
        if (ROOT / module.partition(".")[0]).is_dir():
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for line in re.findall(r"^(?:\$ )?(?:sudo )?classroomd ((?:[a-z-]+ ?)+)", code, re.MULTILINE):
        command: Any = typer.main.get_command(app)
        for word in line.split():
            if not hasattr(command, "commands"):
                break  # what follows is an argument
            assert word in command.commands, f"classroomd {line}"
            command = command.commands[word]

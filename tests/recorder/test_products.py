"""The list of products: what is shown and shipped, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.products import Kind, find, known, products
from recorder.recording import Recording, SourceSpec, create


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    made = create(
        tmp_path,
        session="s",
        room="r",
        title="t",
        language="de",
        sources=[SourceSpec(id="camera", role="presenter", url="test:presenter")],  # type: ignore[arg-type]
    )
    for name in (
        "lecture.mp4", "small.mp4", "camera.mp4", "camera.framed.mp4", "audio.m4a",
        "captions.en.vtt", "transcript.zh-Hans.txt", "chapters.vtt", "slides.json",
        "slides/001.jpg", "slides/002.jpg", "poster.jpg", "sprites.jpg", "sprites.vtt",
        "metadata.json", "data.json", "offline.zip", "link.imscc", "summary.en.draft.json",
        "quiz.en.json",
        "lecture.new", ".lecture.mp4.new", "other.mp4", "notes.txt", "slides/notes.txt",
        "parts/steps.json",
    ):  # fmt: skip
        path = made.products / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 3)
    return made


def test_every_product_is_listed_once_with_what_it_is_for(recording: Recording) -> None:
    found = products(recording.folder, recording.manifest)
    assert found[0].name == "lecture.mp4"
    by_name = {product.name: product for product in found}
    assert len(by_name) == len(found) == 20
    assert by_name["captions.en.vtt"].language == "en"
    assert by_name["transcript.zh-Hans.txt"].kind is Kind.TRANSCRIPT
    assert by_name["chapters.vtt"].language == "de"
    assert by_name["camera.framed.mp4"].kind is Kind.FRAMED
    assert by_name["camera.mp4"].role == "presenter"
    assert by_name["slides/002.jpg"].media_type == "image/jpeg"
    assert by_name["offline.zip"].size == 3
    assert {kind.value for kind in Kind} == {product.kind.value for product in found}


@pytest.mark.parametrize(
    "name",
    [
        "lecture.new", "other.mp4", "../recording.json", "slides/../../recording.json",
        "/etc/passwd", "slides/001.jpg/..", "parts/steps.json", "captions.en.vtt\n", "",
        "captions...vtt", ".lecture.mp4.new",
    ],
)  # fmt: skip
def test_a_name_that_no_product_has_leads_nowhere(recording: Recording, name: str) -> None:
    assert known(name, recording.manifest) is None
    assert find(recording.folder, recording.manifest, name) is None


def test_a_link_is_no_product(recording: Recording) -> None:
    target = recording.products / "poster.jpg"
    target.unlink()
    target.symlink_to(recording.folder / "recording.json")
    assert find(recording.folder, recording.manifest, "poster.jpg") is None
    assert "poster.jpg" not in {p.name for p in products(recording.folder, recording.manifest)}

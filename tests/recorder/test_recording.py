import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recorder import recording
from recorder.recording import (
    Life,
    Marker,
    Recording,
    RecordingError,
    Role,
    SourceSpec,
    class_time,
    lecture_spans,
)

SLIDES = SourceSpec(id="laptop", role=Role.SLIDES, url="test:slides")


def make(root: Path, **fields: Any) -> Recording:
    fields = {"session": "s", "room": "r", "title": "T", "sources": [SLIDES]} | fields
    return recording.create(root, **fields)


def test_a_new_folder_says_when_what_and_where(tmp_path: Path) -> None:
    made = make(tmp_path / "recordings", course="Größenlehre I")
    manifest = made.manifest
    date, time, course, name = made.folder.name.split("_")
    assert (course, name) == ("groenlehre-i", made.id) or (course, name) == (
        "groe-enlehre-i",
        made.id,
    )
    assert datetime.strptime(date + time, "%Y-%m-%d%H-%M-%S")  # noqa: DTZ007
    assert made.folder.stat().st_mode & 0o777 == 0o750
    assert manifest.life is Life.RECORDING and manifest.sources == [SLIDES]
    assert 0 <= class_time(manifest) < 5
    assert made.track("laptop") == made.folder / "tracks/laptop"


def test_class_time_goes_on_over_a_reboot_by_the_wall(tmp_path: Path) -> None:
    made = make(tmp_path)
    started = datetime.now(UTC) - timedelta(seconds=120)
    manifest = made.update(boot_id="another-boot", boottime=5.0, started=started)
    assert 120 <= class_time(manifest) < 125


def test_controller_and_recorder_change_the_manifest_at_once(tmp_path: Path) -> None:
    made = make(tmp_path)

    def change(field: str) -> None:
        mine = Recording.open(made.folder)
        for number in range(20):
            mine.update(**{field: f"{number}"})

    threads = [threading.Thread(target=change, args=(f,)) for f in ("course", "lecturer", "error")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    manifest = made.manifest
    assert (manifest.course, manifest.lecturer, manifest.error) == ("19", "19", "19")
    assert not list(made.folder.glob("*.new"))


def test_a_marker_survives_the_torn_line_before_it(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.mark("start", 0.0)
    with (made.folder / "markers.jsonl").open("ab") as file:
        file.write(b'{"t":4.2,"kind":"pa')
    made.mark("page", 5.0, number=2)
    assert made.markers() == [
        Marker(t=0.0, kind="start"),
        Marker(t=5.0, kind="page", data={"number": 2}),
    ]


def test_a_damaged_manifest_is_named_with_its_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = make(tmp_path), make(tmp_path)
    (bad.folder / "recording.json").write_text('{"id": "x", "ses')
    with pytest.raises(RecordingError, match=r"recording\.json is damaged .*recordings salvage"):
        Recording.open(bad.folder)
    assert [found.id for found in recording.list_recordings(tmp_path)] == [good.id]
    assert bad.folder.name in caplog.text


def test_a_manifest_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    made = make(tmp_path)
    path = made.folder / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(RecordingError, match="newer version"):
        Recording.open(made.folder)


def test_recordings_are_found_and_listed_newest_first(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    first.update(started=datetime.now(UTC) - timedelta(days=1))
    assert [found.id for found in recording.list_recordings(tmp_path)] == [second.id, first.id]
    assert recording.find(tmp_path, first.id).folder == first.folder
    assert recording.find(tmp_path, second.folder.name).id == second.id
    for wrong in ("nothing", "../x", "*"):
        with pytest.raises(RecordingError, match="no recording"):
            recording.find(tmp_path, wrong)
    assert recording.list_recordings(tmp_path / "none") == []


def test_a_password_in_an_address_is_refused(tmp_path: Path) -> None:
    source = SourceSpec(id="cam", role=Role.PRESENTER, url="rtsp://root:geheim@10.0.0.1/1")
    with pytest.raises(RecordingError, match="secret = ") as caught:
        make(tmp_path, sources=[source])
    assert "geheim" not in str(caught.value)


def test_two_sources_may_not_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="two sources"):
        make(tmp_path, sources=[SLIDES, SLIDES])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_root_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RecordingError, match="may be written"):
        make(tmp_path / "x")


@pytest.mark.parametrize(
    ("marks", "spans"),
    [
        ([], [(0.0, 100.0)]),
        ([("pause", 10), ("resume", 20)], [(0.0, 10.0), (20.0, 100.0)]),
        ([("pause", 10), ("pause", 12), ("resume", 20)], [(0.0, 10.0), (20.0, 100.0)]),
        ([("pause", 90)], [(0.0, 90.0)]),
        ([("hold", 80)], [(0.0, 80.0)]),
        ([("hold", 80), ("release", 85)], [(0.0, 100.0)]),
        ([("hold", 80), ("end", 80)], [(0.0, 80.0)]),
        ([("pause", 50), ("hold", 80), ("end", 80)], [(0.0, 50.0)]),
        ([("pause", 0), ("resume", 30), ("end", 95)], [(30.0, 95.0)]),
    ],
)
def test_the_lecture_leaves_out_pauses_and_what_follows_its_end(
    marks: list[tuple[str, float]], spans: list[tuple[float, float]]
) -> None:
    markers = [Marker(t=t, kind=kind) for kind, t in marks]
    assert lecture_spans(markers, 100.0) == spans

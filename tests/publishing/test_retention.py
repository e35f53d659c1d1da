"""Nothing is deleted here that is not proved to be elsewhere."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from publishing_contract import deliver

from publishing.delivery import DeliveryWorker
from publishing.target import TargetConfig
from recorder import production_state
from recorder.lock import take
from recorder.production_state import ProductionState
from recorder.recording import Life, Recording
from recorder.retention import going, judge, prune, pruned


@pytest.fixture
def delivered(make_recording: Any, tmp_path: Path) -> Any:
    share = tmp_path / "share"
    share.mkdir()

    async def make(**more: Any) -> Path:
        folder: Path = make_recording(**more)
        track = folder / "tracks" / "cam"
        track.mkdir(parents=True)
        (track / "000001.mp4").write_bytes(b"x" * 5000)
        config = TargetConfig(id="nas", target="folder", url=str(share))
        assert (await deliver(folder, config)).state == "verified"
        return folder

    return make


def reason(folder: Path, **more: Any) -> str:
    verdict = judge(Recording.open(folder), **more)
    assert not verdict.prune
    return verdict.reason


async def test_media_goes_and_knowledge_stays(delivered: Any) -> None:
    folder = await delivered()
    size = judge(Recording.open(folder)).size
    (verdict,) = prune(folder.parent)
    assert verdict.prune
    assert verdict.size == size > 100_000
    left = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert not [name for name in left if name.endswith((".mp4", ".jpg"))]
    assert {"recording.json", "nas.json", "captions.en.vtt", "pruned.json"} <= set(left)
    assert not (folder / "tracks").exists()
    assert reason(folder) == "its media was already deleted"


async def test_a_dry_run_deletes_nothing(delivered: Any) -> None:
    folder = await delivered()
    before = sorted(folder.rglob("*"))
    assert [verdict.prune for verdict in prune(folder.parent, dry_run=True)] == [True]
    assert sorted(folder.rglob("*")) == before


async def test_what_is_still_needed_stays(delivered: Any, make_recording: Any) -> None:
    folder = await delivered()
    assert reason(folder, required=["nas", "lms"]) == "it was not delivered to lms"
    now = datetime(2026, 3, 5, 8, tzinfo=UTC)
    assert reason(folder, keep_days=30, now=now) == "it is younger than 30 days"
    assert judge(Recording.open(folder), keep_days=2, now=now + timedelta(days=1)).prune
    assert reason(make_recording()) == "it was never delivered"
    assert reason(make_recording(life=Life.RECORDING)) == "it is being recorded"
    assert reason(make_recording(life=Life.HELD)) == "the lecturer holds it"


async def test_it_is_announced_before_it_goes(delivered: Any) -> None:
    folder = await delivered()
    ended = Recording.open(folder).manifest.ended
    assert ended is not None

    def after(days: float, **more: Any) -> Any:
        now = ended + timedelta(days=days)
        (verdict,) = prune(folder.parent, keep_days=10, warn_days=3, now=now, **more)
        return verdict

    assert (after(6.9).announced, going(folder)) == (False, None)
    assert (after(8, dry_run=True).announced, going(folder)) == (True, None)
    assert after(8).announced
    assert going(folder) == ended + timedelta(days=11)  # three days after it was said, not two
    assert (after(10.5).announced, after(10.5).reason) == (False, "it goes on 2026-03-13 08:00 UTC")
    assert (folder / "products/lecture.mp4").exists()
    Recording.open(folder).update(held={"by": "A. Teacher"})
    assert after(11.5).reason == "the lecturer holds it"
    assert going(folder) is None
    Recording.open(folder).update(held=None)
    assert after(12).announced
    assert after(15.1).prune
    assert (going(folder), pruned(folder) is not None) == (None, True)


async def test_what_is_not_kept_at_all_goes_unannounced(delivered: Any) -> None:
    folder = await delivered()
    (verdict,) = prune(folder.parent, keep_days=0, warn_days=3)
    assert verdict.prune


async def test_what_production_made_after_the_delivery_goes_with_what_was_sent(
    delivered: Any,
) -> None:
    folder = await delivered()
    (folder / "products" / "lecture.mp4").write_bytes(b"the same class, levelled")
    changed = "nas: lecture.mp4 has changed since it was delivered"
    production_state.store(folder, ProductionState(state="working", sent_first=True))
    assert reason(folder) == changed
    production_state.change(folder, state="done", sent_first=False)
    assert reason(folder) == changed
    production_state.change(folder, sent_first=True)
    assert judge(Recording.open(folder)).prune
    later = datetime.now(UTC).timestamp() + 60
    os.utime(folder / "products" / "lecture.mp4", (later, later))
    assert reason(folder) == changed  # somebody changed it once more


async def test_a_lecture_made_again_is_not_covered_by_the_old_receipt(
    delivered: Any, tmp_path: Path
) -> None:
    folder = await delivered()
    (folder / "products" / "lecture.mp4").write_bytes(b"another cut")
    assert reason(folder) == "nas: lecture.mp4 has changed since it was delivered"
    config = TargetConfig(id="nas", target="folder", url=str(tmp_path / "share"))
    assert (await deliver(folder, config)).state == "verified"
    assert judge(Recording.open(folder)).prune


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"state": "verified"}', '{"state": "sending", "receipt": {"files": [{}]}}',
     '{"state": "verified", "receipt": {"files": [{}]}, "stamps": {}}'],
)  # fmt: skip
async def test_no_proof_no_deletion(delivered: Any, content: str) -> None:
    folder = await delivered()
    (folder / "deliveries" / "lms.json").write_text(content)
    assert reason(folder).startswith("lms: ")


async def test_captions_alone_are_no_proof_of_the_lecture(delivered: Any) -> None:
    folder = await delivered()
    path = folder / "deliveries" / "nas.json"
    content = json.loads(path.read_text())
    content["receipt"]["files"] = [{"name": "captions.en.vtt", "size": 52}]
    path.write_text(json.dumps(content))
    assert reason(folder) == "no target has the lecture itself"


async def test_a_folder_with_a_writer_stays(delivered: Any) -> None:
    folder = await delivered()
    handle = take(folder)
    assert reason(folder) == "a recorder works on it"
    os.close(handle)
    assert judge(Recording.open(folder)).prune


async def test_only_as_much_goes_as_is_needed_the_oldest_first(
    delivered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = datetime(2026, 3, 2, 8, tzinfo=UTC)
    folders = [await delivered(started=day + timedelta(days=n)) for n in (2, 0, 1)]
    size = judge(Recording.open(folders[0])).size

    class Usage:
        free = 1000

    monkeypatch.setattr("recorder.retention.shutil.disk_usage", lambda _: Usage)
    verdicts = prune(folders[0].parent, reserve_bytes=1000 + size + 1)
    assert [(v.folder, v.prune) for v in verdicts] == [
        (folders[1], True), (folders[2], True), (folders[0], False),
    ]  # fmt: skip
    assert verdicts[2].reason == "there is room enough"
    assert prune(folders[0].parent, reserve_bytes=500)[2].reason == "there is room enough"


async def test_links_lead_nowhere(delivered: Any, tmp_path: Path) -> None:
    folder = await delivered()
    outside = tmp_path / "precious.mp4"
    outside.write_bytes(b"keep")
    (folder / "tracks" / "cam" / "000002.mp4").symlink_to(outside)
    (folder / "tracks" / "elsewhere").symlink_to(tmp_path)
    prune(folder.parent)
    assert outside.read_bytes() == b"keep"


async def test_what_was_pruned_stays_delivered_and_can_be_withdrawn(
    delivered: Any, tmp_path: Path
) -> None:
    folder = await delivered()
    prune(folder.parent)
    config = TargetConfig(id="nas", target="folder", url=str(tmp_path / "share"))
    worker = DeliveryWorker(folder.parent, [config])
    assert worker.submit(folder, "nas").state == "verified"
    assert list((tmp_path / "share").rglob("lecture.mp4"))
    assert (await worker.withdraw(folder, "nas", by="Ada Byron")).state == "withdrawn"
    assert not [path for path in (tmp_path / "share").rglob("*") if path.is_file()]
    history = json.loads((folder / "deliveries" / "nas.json").read_text())["history"]
    assert (history[-1]["what"], history[-1]["by"]) == ("withdrawn", "Ada Byron")

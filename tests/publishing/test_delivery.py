"""The durable job: order, side by side, restarts, permission, bandwidth, what is shown."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from publishing import targets
from publishing.delivery import Backoff, DeliveryStatus, DeliveryWorker
from publishing.shipment import Shipment
from publishing.target import (
    ArrivedFile,
    ErrorKind,
    Receipt,
    Target,
    TargetConfig,
    TargetError,
)  # fmt: skip
from recorder.recording import Life, Recording

NOW = Backoff(first=0.01, longest=0.02, poll_longest=0.01, blocked=3600)


class Scripted(Target):
    """A target that does as the test says; what it saw is kept per target id."""

    name = "scripted"
    script: ClassVar[dict[str, list[Any]]] = {}
    log: ClassVar[list[tuple[str, str, str]]] = []
    here: ClassVar[set[str]] = set()
    refusals: ClassVar[list[TargetError]] = []
    gate: ClassVar[asyncio.Event | None] = None
    at_once: ClassVar[int] = 0
    most: ClassVar[int] = 0

    async def send(self, shipment: Shipment) -> None:
        Scripted.log.append((self.id, "send", shipment.metadata.recording))
        Scripted.at_once += 1
        Scripted.most = max(Scripted.most, Scripted.at_once)
        try:
            if Scripted.gate:
                await Scripted.gate.wait()
            step = Scripted.script.get(self.id, [None])
            step = step.pop(0) if step else None
            if isinstance(step, Exception):
                raise step
            Scripted.here.add(f"{self.id} {shipment.metadata.recording}")
        finally:
            Scripted.at_once -= 1

    async def withdraw(self, shipment: Shipment) -> None:
        Scripted.log.append((self.id, "withdraw", shipment.metadata.recording))
        step = Scripted.refusals.pop(0) if Scripted.refusals else None
        if step is not None:
            raise step
        Scripted.here.discard(f"{self.id} {shipment.metadata.recording}")

    async def verify(self, shipment: Shipment) -> Receipt:
        Scripted.log.append((self.id, "verify", shipment.metadata.recording))
        if f"{self.id} {shipment.metadata.recording}" not in Scripted.here:
            raise TargetError(ErrorKind.ABSENT, "not there")
        return Receipt(target=self.id, how="size", files=[ArrivedFile(name="lecture.mp4", size=1)])


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = targets.kind
    monkeypatch.setattr(targets, "kind", lambda n: Scripted if n == "scripted" else kind(n))
    Scripted.script, Scripted.log, Scripted.here, Scripted.refusals = {}, [], set(), []
    Scripted.gate, Scripted.at_once, Scripted.most = None, 0, 0


def one(name: str = "a", **more: Any) -> TargetConfig:
    return TargetConfig(id=name, target="scripted", **more)


async def until(check: Any) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_submitted_work_is_done_and_told(make_recording: Any) -> None:
    folder = make_recording()
    told: list[DeliveryStatus] = []
    worker = DeliveryWorker(folder.parent, [one()], on_change=told.append, backoff=NOW)
    await worker.start()
    assert worker.submit(folder, "a").state == "waiting"
    await until(lambda: worker.statuses()[0].state == "verified")
    await worker.stop()
    states = [status.state.value for status in told]
    assert [s for n, s in enumerate(states) if n == 0 or states[n - 1] != s] == [
        "waiting", "sending", "verifying", "verified",
    ]  # fmt: skip
    assert told[-1].id == "rec0001.a"
    assert Recording.open(folder).manifest.life is Life.PUBLISHED


async def test_a_fault_is_asked_about_before_it_is_repeated(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.script["a"] = [TargetError(ErrorKind.RETRY, "broke"), None]
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.deliver_once(folder, "a")
    assert [verb for _, verb, _ in Scripted.log] == ["send", "verify", "send", "verify"]


async def test_stopped_work_goes_on_at_the_next_start(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.gate = asyncio.Event()
    first = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await first.start()
    first.submit(folder, "a")
    await until(lambda: Scripted.log)
    await first.stop()
    assert json.loads((folder / "deliveries/a.json").read_text())["state"] == "sending"
    Scripted.gate = None
    second = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await second.start()
    await until(lambda: second.statuses()[0].state == "verified")
    await second.stop()


async def test_what_changed_while_it_was_sent_is_sent_when_it_was_asked_for(
    make_recording: Any,
) -> None:
    folder = make_recording()
    Scripted.gate = asyncio.Event()
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    worker.submit(folder, "a")
    await until(lambda: Scripted.log)
    (folder / "products/lecture.mp4").write_bytes(b"with levelled sound")
    worker.submit(folder, "a")
    Scripted.gate.set()
    made = (folder / "products/lecture.mp4").stat()
    stamp = f"{made.st_size}-{made.st_mtime_ns}"

    def kept() -> Any:
        return json.loads((folder / "deliveries/a.json").read_text())

    await until(
        lambda: (kept()["state"], kept()["stamps"].get("lecture.mp4")) == ("verified", stamp)
    )
    await worker.stop()
    told = [step["what"] for step in kept()["history"]]
    assert told == ["submitted", "verified by size", "submitted", "verified by size"]


async def test_the_most_urgent_goes_first_and_targets_go_side_by_side(make_recording: Any) -> None:
    day = datetime(2026, 3, 2, 8, tzinfo=UTC)
    late, early = make_recording(started=day), make_recording(started=day - timedelta(hours=5))
    Scripted.gate = asyncio.Event()
    worker = DeliveryWorker(late.parent, [one("a"), one("b")], backoff=NOW)
    for folder in (late, early):
        for name in ("a", "b"):
            worker.submit(folder, name)
    await worker.start()
    await until(lambda: Scripted.at_once == 2)
    assert {recording for _, _, recording in Scripted.log} == {"rec0002"}
    Scripted.gate.set()
    await until(lambda: all(status.state == "verified" for status in worker.statuses()))
    assert Scripted.most == 2
    await worker.stop()


@pytest.mark.parametrize(
    ("kind", "state", "again"),
    [("retry", "retrying", True), ("wait", "verifying", True), ("absent", "retrying", True),
     ("blocked", "failed", True), ("permanent", "failed", False)],
)  # fmt: skip
async def test_what_an_error_means(make_recording: Any, kind: str, state: str, again: bool) -> None:
    folder = make_recording()
    Scripted.script["a"] = [TargetError(ErrorKind(kind), "It is so.", "Do this.")]
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    status = await worker.deliver_once(folder, "a", tries=1)
    assert (status.state, status.detail, status.remedy) == (state, "It is so.", "Do this.")
    assert (status.next_try is not None) == again


async def test_a_failed_delivery_is_retried_on_request(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.script["a"] = [TargetError(ErrorKind.PERMANENT, "too large", "raise the limit")]
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    worker.submit(folder, "a")
    await until(lambda: worker.statuses()[0].state == "failed")
    assert Recording.open(folder).manifest.life is Life.FAILED
    worker.retry("rec0001.a")
    await until(lambda: worker.statuses()[0].state == "verified")
    await worker.stop()
    with pytest.raises(KeyError):
        worker.retry("nobody.a")


async def test_retry_after_is_kept(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.script["a"] = [TargetError(ErrorKind.RETRY, "busy", retry_after=1000)]
    status = await DeliveryWorker(folder.parent, [one()], backoff=NOW).deliver_once(
        folder, "a", tries=1
    )
    assert status.next_try is not None
    assert status.next_try - datetime.now(UTC) > timedelta(seconds=900)


async def verified_after(folder: Path, backoff: Backoff, **written: str) -> None:
    """One failed try, its record changed as a clock that stood wrong left it, then a daemon."""
    first = DeliveryWorker(folder.parent, [one()], backoff=backoff)
    await first.deliver_once(folder, "a", tries=1)
    path = folder / "deliveries/a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **written}))
    worker = DeliveryWorker(folder.parent, [one()], backoff=backoff)
    await worker.start()
    await until(lambda: worker.statuses()[0].state == "verified")
    await worker.stop()


async def test_a_clock_that_stood_in_the_future_puts_nothing_off(make_recording: Any) -> None:
    Scripted.script["a"] = [TargetError(ErrorKind.RETRY, "broke")]
    wrong = datetime.now(UTC) + timedelta(days=1500)
    await verified_after(make_recording(), NOW, next_try=wrong.isoformat())


async def test_a_clock_that_stood_in_the_past_is_not_days_of_failure(make_recording: Any) -> None:
    Scripted.script["a"] = [TargetError(ErrorKind.RETRY, "broke")] * 2
    at_once = Backoff(first=0, longest=0)
    await verified_after(make_recording(), at_once, created="1970-01-01T00:00:00Z")


async def test_after_days_of_failure_a_person_is_called(make_recording: Any) -> None:
    folder = make_recording()
    worker = DeliveryWorker(
        folder.parent, [one()], backoff=Backoff(first=0, longest=0, give_up_days=0)
    )
    Scripted.script["a"] = [TargetError(ErrorKind.RETRY, "broke")]
    status = await worker.deliver_once(folder, "a")
    assert (status.state, status.next_try) == ("failed", None)
    assert status.remedy


@pytest.mark.parametrize(
    ("manifest", "metadata", "needs_consent", "detail"),
    [
        ({"life": "held"}, {}, False, "holds this recording back"),
        ({"life": "recording"}, {}, False, "still being recorded"),
        ({}, {"publish": False}, False, "does not allow publishing"),
        ({}, {"consent": False}, False, "consent"),
        ({}, {}, True, "consent"),
    ],
)
async def test_nothing_goes_out_that_may_not(
    make_recording: Any, manifest: Any, metadata: Any, needs_consent: bool, detail: str
) -> None:
    folder = make_recording(**({"life": Life(manifest["life"])} if manifest else {}))
    (folder / "products/metadata.json").write_text(json.dumps(metadata))
    worker = DeliveryWorker(folder.parent, [one(needs_consent=needs_consent)], backoff=NOW)
    status = await worker.deliver_once(folder, "a", tries=1)
    assert detail in status.detail
    assert status.state == ("retrying" if manifest.get("life") == "recording" else "held")
    assert status.next_try is None or status.state == "retrying"
    assert Scripted.log == []


async def test_holding_recalls_what_is_under_way(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.gate = asyncio.Event()
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    worker.submit(folder, "a")
    await until(lambda: Scripted.log)
    Recording.open(folder).update(life=Life.HELD, held={"by": "Ada"})
    Scripted.refusals = [TargetError(ErrorKind.RETRY, "The network is gone.")]
    await worker.hold(folder, by="Ada")
    await until(lambda: worker.statuses()[0].state == "held")
    assert [verb for _, verb, _ in Scripted.log] == ["send", "withdraw", "withdraw"]
    assert Scripted.here == set()
    await worker.stop()
    # Held it stays, also for the next daemon, until it is released.
    Scripted.gate = None
    again = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await again.start()
    await until(lambda: again.statuses()[0].state == "held")
    Recording.open(folder).update(life=Life.READY, held=None)
    await again.release(folder, by="Ada")
    await until(lambda: again.statuses()[0].state == "verified")
    assert [verb for _, verb, _ in Scripted.log[3:]] == ["verify", "send", "verify"]
    told = json.loads((folder / "deliveries/a.json").read_text())["history"]
    assert [(one["what"], one["by"]) for one in told if one["by"]] == [
        ("held", "Ada"), ("released", "Ada"),
    ]  # fmt: skip
    await again.stop()


async def test_a_withdrawal_is_asked_for_until_it_is_done(make_recording: Any) -> None:
    folder = make_recording()
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    worker.submit(folder, "a")
    await until(lambda: worker.statuses()[0].state == "verified")
    Scripted.refusals = [
        TargetError(ErrorKind.RETRY, "The network is gone."),
        TargetError(ErrorKind.PERMANENT, "This platform deletes nothing.", "Delete it by hand."),
    ]
    assert (await worker.ask_back(folder, "a", by="Ada")).state == "withdrawing"
    await until(lambda: worker.statuses()[0].state == "failed")
    assert worker.statuses()[0].remedy == "Delete it by hand."
    assert worker.retry("rec0001.a").state == "withdrawing"
    await until(lambda: worker.statuses()[0].state == "withdrawn")
    assert Scripted.here == set()
    # Withdrawn it stays, unless a person publishes it again.
    assert worker.submit(folder, "a").state == "withdrawn"
    worker.submit(folder, "a", again=True)
    await until(lambda: worker.statuses()[0].state == "verified")
    await worker.stop()


async def test_one_process_at_a_time(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.gate = asyncio.Event()
    first = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    second = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    task = asyncio.create_task(first.deliver_once(folder, "a"))
    await until(lambda: Scripted.log)
    assert (await second.deliver_once(folder, "a", tries=1)).attempts == 1
    assert len(Scripted.log) == 1
    Scripted.gate.set()
    assert (await task).state == "verified"


async def test_a_damaged_record_is_set_aside(make_recording: Any) -> None:
    folder = make_recording()
    (folder / "deliveries").mkdir()
    (folder / "deliveries/a.json").write_text('{"version": 1, "id"')
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    await worker.stop()
    assert worker.statuses() == []
    assert (await worker.deliver_once(folder, "a")).state == "verified"
    assert (folder / "deliveries/a.json.damaged").exists()


async def test_unknown_targets_and_missing_products_are_named(
    make_recording: Any, tmp_path: Path
) -> None:
    folder = make_recording()
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    with pytest.raises(TargetError, match="no target 'b'") as error:
        worker.submit(folder, "b")
    assert "Choose one of: a" in error.value.remedy
    with pytest.raises(TargetError, match="manifest"):
        worker.submit(tmp_path / "nowhere", "a")
    shutil.rmtree(folder / "products")
    status = await worker.deliver_once(folder, "a")
    assert (status.state, "no finished products" in status.detail) == ("failed", True)


async def test_an_erased_recording_ends_its_delivery(make_recording: Any) -> None:
    folder = make_recording()
    Scripted.gate = asyncio.Event()
    worker = DeliveryWorker(folder.parent, [one()], backoff=NOW)
    await worker.start()
    worker.submit(folder, "a")
    await until(lambda: Scripted.log)
    shutil.rmtree(folder)
    Scripted.gate.set()
    await until(lambda: worker.statuses() == [])
    await worker.stop()

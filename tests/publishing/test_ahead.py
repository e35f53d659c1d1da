"""Sending begins during class: what is final goes ahead, unseen, and only where it may."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import Fault, FaultProxy
from publishing_contract import FAST, Site, deliver
from test_s3 import PART, Moto

from publishing import record
from publishing.ahead import Ahead, growing, new_delivery
from publishing.delivery import Backoff, DeliveryWorker
from publishing.errors import TargetError
from recorder.recording import PRODUCTS, Life, Recording

HEAD = 72


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    (tmp_path / "key").write_text("word")
    site = Moto(tmp_path / "key")
    site.proxy = FaultProxy(("127.0.0.1", site.port))
    await site.proxy.start()
    await site.wipe()
    yield site
    await site.proxy.stop()
    site.server.stop()


class Class:
    """A class that is on: its lecture only grows; its close changes the head and adds a tail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / PRODUCTS / "parts/lecture-001.mp4"
        self.path.parent.mkdir(exist_ok=True)
        (folder / PRODUCTS / "lecture.mp4").unlink()
        self.path.write_bytes(b"open" * (HEAD // 4))

    def grow(self, size: int) -> None:
        with self.path.open("ab") as file:
            file.write(os.urandom(size))

    def close(self) -> None:
        self.grow(50_000)
        with self.path.open("r+b") as file:
            file.seek(36)
            file.write(b"finished" * 2)
        self.path.replace(self.folder / PRODUCTS / "lecture.mp4")
        Recording.open(self.folder).update(life=Life.READY)


@pytest.fixture
def lesson(make_recording: Any) -> Class:
    return Class(make_recording(life=Life.RECORDING, consent=True))


async def rounds(store: Site, lesson: Class, count: int = 1) -> None:
    ahead = Ahead(lesson.folder.parent, [], lambda _: ())
    for _ in range(count):
        await ahead.round(lesson.folder, store.config(during_class=True))


async def test_only_the_first_part_and_the_tail_are_left_after_class(
    store: Moto, lesson: Class
) -> None:
    for size in (PART // 2, PART, 2 * PART, PART + 10):
        lesson.grow(size)
        await rounds(store, lesson)
    assert await store.holdings() == {}  # nobody sees it yet
    assert store.proxy.body_bytes >= 3 * PART
    lesson.close()
    before = store.proxy.body_bytes
    config = store.config(products=("lecture",), during_class=True)
    status = await deliver(lesson.folder, config)
    assert status.state == "verified", status.detail
    assert store.proxy.body_bytes - before < 2 * PART + 100_000
    lecture = (lesson.folder / PRODUCTS / "lecture.mp4").read_bytes()
    assert await store.holdings() == {"lecture.mp4": [lecture]}
    assert store.uploads() == []
    assert status.receipt is not None
    assert status.receipt["how"] == "hash"


async def test_a_lecture_that_was_joined_anew_is_sent_as_it_is(store: Moto, lesson: Class) -> None:
    lesson.grow(3 * PART)
    await rounds(store, lesson)
    (lesson.folder / PRODUCTS / "parts/lecture-002.mp4").write_bytes(b"after a crash")
    assert growing(lesson.folder) is None
    (lesson.folder / PRODUCTS / "parts/lecture-002.mp4").unlink()
    lesson.close()
    lecture = lesson.folder / PRODUCTS / "lecture.mp4"
    lecture.write_bytes(os.urandom(2 * PART + 7))
    status = await deliver(lesson.folder, store.config(products=("lecture",)))
    assert status.state == "verified", status.detail
    assert await store.holdings() == {"lecture.mp4": [lecture.read_bytes()]}


@pytest.mark.parametrize("words", [{"consent": None}, {"publish": False}, {"held": {"by": "Ada"}}])
async def test_nothing_goes_ahead_that_may_not(store: Moto, lesson: Class, words: Any) -> None:
    manifest = lesson.folder / "recording.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **words}))
    lesson.grow(3 * PART)
    config = store.config(during_class=True)
    ahead = Ahead(lesson.folder.parent, [config], lambda _: (), every_s=0.01)
    ahead.start()
    await asyncio.sleep(0.1)
    await ahead.stop()
    assert store.proxy.asked == 0


async def test_a_hold_in_class_gives_up_what_went_ahead(store: Moto, lesson: Class) -> None:
    worker = DeliveryWorker(lesson.folder.parent, [store.config(during_class=True)], backoff=FAST)
    lesson.grow(3 * PART)
    await worker.start()
    async with asyncio.timeout(30):
        while not store.proxy.body_bytes > PART:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    Recording.open(lesson.folder).update(held={"by": "Ada"})
    await worker.hold(lesson.folder, by="Ada")
    async with asyncio.timeout(30):
        while store.uploads():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await worker.stop()
    assert await store.holdings() == {}


async def test_a_try_in_class_forgets_nothing_that_went_ahead(store: Moto, lesson: Class) -> None:
    """As after a restart or a release: the delivery is known, and waits for the end of class."""
    config = store.config(products=("lecture",))
    record.store(lesson.folder, new_delivery(lesson.folder, config))
    worker = DeliveryWorker(lesson.folder.parent, [config], backoff=Backoff(first=0.3, longest=0.3))
    await worker.start()

    async def tried(times: int) -> None:
        async with asyncio.timeout(30):
            while worker.statuses()[0].attempts < times:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    await tried(1)
    lesson.grow(3 * PART)
    while not store.uploads():
        await rounds(store, lesson)
    await tried(worker.statuses()[0].attempts + 2)
    await worker.stop()
    kept = record.load(lesson.folder, config.id)
    assert kept is not None
    assert "ahead" in kept.notes


async def test_faults_in_class_cost_a_part_each_at_most(store: Moto, lesson: Class) -> None:
    lesson.grow(4 * PART)
    for fault in (Fault("cut", after=PART // 2), Fault("lost"), Fault("status", status=503)):
        store.proxy.faults = {len(store.proxy.seen) + 2: fault}
        with pytest.raises(TargetError):
            await rounds(store, lesson)
        lesson.grow(PART)
    await rounds(store, lesson)
    lesson.close()
    status = await deliver(lesson.folder, store.config(products=("lecture",)))
    assert status.state == "verified", status.detail
    lecture = (lesson.folder / PRODUCTS / "lecture.mp4").read_bytes()
    assert await store.holdings() == {"lecture.mp4": [lecture]}
    assert store.proxy.body_bytes < len(lecture) * 1.05 + 3 * PART + 50_000

"""What every target must do; each target's test class inherits it and supplies a `site`."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fault_proxy import Fault, FaultProxy

from publishing.delivery import Backoff, DeliveryStatus, DeliveryWorker
from publishing.metadata import correct
from publishing.target import TargetConfig
from recorder.recording import PRODUCTS
from recorder.retention import PRUNED

FAST = Backoff(first=0.0, longest=0.0, poll_longest=0.0, blocked=3600)
CHILD = Path(__file__).with_name("deliver_child.py")
TRIES = 12


class Site(ABC):
    """A target's other end, and the way to it.

    `chunk` is how many bytes may be sent twice per fault where the target resumes. `products`
    are delivered in the fault runs. `one_package`: a correction sends all of it. `refused` is
    what the platform answers when it is full.
    """

    proxy: FaultProxy
    resumes: bool = False
    chunk: int = 0
    lecture_bytes: int = 700_000
    products: tuple[str, ...] = ("lecture", "captions")
    quota: Fault | None = Fault("status", status=507)
    unauthorised: Fault | None = Fault("status", status=401)
    asks_by_name: bool = True
    one_package: bool = False

    @abstractmethod
    def config(self, **more: Any) -> TargetConfig:
        """The target as configured, by way of the proxy."""

    @abstractmethod
    async def holdings(self) -> dict[str, list[bytes]]:
        """Product name → the content of every copy that the platform shows."""

    @abstractmethod
    async def wipe(self) -> None:
        """Forget everything that was published."""

    async def restart(self) -> None:
        """Stop the server and start it again on the same data."""
        pytest.skip("this server is part of the test process")

    async def damage(self, name: str) -> None:
        """Change one byte of what arrived, behind the platform's back."""
        pytest.skip("the platform's content cannot be changed from outside")

    async def words(self) -> tuple[str, str]:
        """Title and visibility of the one thing that the platform shows, "" where it has none."""
        pytest.skip("this place tells no words but in files")

    def sent_as(self, name: str) -> str:
        """The name that `holdings` uses for a product."""
        return name


async def deliver(folder: Path, config: TargetConfig, tries: int | None = TRIES) -> DeliveryStatus:
    worker = DeliveryWorker(folder.parent, [config], backoff=FAST)
    return await worker.deliver_once(folder, config.id, tries=tries)


def expected(folder: Path, site: Site, names: list[str]) -> dict[str, list[bytes]]:
    return {site.sent_as(n): [(folder / PRODUCTS / n).read_bytes()] for n in names}


class TargetContract:
    """The inherited tests of any target."""

    names: ClassVar[list[str]] = ["lecture.mp4", "captions.en.vtt"]

    @pytest.fixture
    async def site(self, tmp_path: Path) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def folder(self, make_recording: Any, site: Site) -> Path:
        return make_recording(lecture_bytes=site.lecture_bytes)

    async def arrived_once(self, site: Site, folder: Path, status: DeliveryStatus) -> None:
        assert status.state == "verified", f"{status.state}: {status.detail} {status.remedy}"
        assert status.receipt is not None
        assert status.receipt["files"]
        assert await site.holdings() == expected(folder, site, self.names)

    def kept(self, site: Site) -> TargetConfig:
        return site.config(products=site.products)

    async def fresh(self, site: Site, folder: Path) -> None:
        await site.wipe()
        site.proxy.reset()
        for file in (folder / "deliveries").glob("*"):
            file.unlink()

    # -- the tests ----------------------------------------------------------------------------

    async def test_delivers_everything_it_takes(self, site: Site, folder: Path) -> None:
        status = await deliver(folder, site.config(), tries=1)
        assert status.state == "verified", f"{status.detail} {status.remedy}"
        assert status.sent_bytes == status.total_bytes > 0
        stored = json.loads((folder / "deliveries" / f"{status.target}.json").read_text())
        assert stored["receipt"]["target"] == status.target
        assert (folder / "deliveries" / f"{status.target}.json").stat().st_mode & 0o777 == 0o600

    async def test_asking_twice_is_one_delivery(self, site: Site, folder: Path) -> None:
        await deliver(folder, self.kept(site), tries=1)
        before = site.proxy.asked
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site), tries=1))
        assert site.proxy.asked == before

    async def test_a_lost_record_sends_no_second_copy(self, site: Site, folder: Path) -> None:
        if not site.asks_by_name:
            pytest.skip("this platform cannot be asked for a recording that was not noted")
        await deliver(folder, self.kept(site), tries=1)
        for file in (folder / "deliveries").glob("*.json"):
            file.unlink()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_an_unreachable_server_is_retried(self, site: Site, folder: Path) -> None:
        await site.proxy.stop()
        status = await deliver(folder, self.kept(site), tries=2)
        assert (status.state, status.attempts) == ("retrying", 2)
        await site.proxy.start()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_a_changed_lecture_replaces_the_old_one(self, site: Site, folder: Path) -> None:
        await deliver(folder, self.kept(site))
        lecture = folder / PRODUCTS / "lecture.mp4"
        lecture.write_bytes(os.urandom(site.lecture_bytes - 1000))
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_corrected_captions_replace_the_old_ones(self, site: Site, folder: Path) -> None:
        if "captions.en.vtt" not in self.names:
            pytest.skip("captions have no place of their own here")
        await deliver(folder, self.kept(site))
        captions = folder / PRODUCTS / "captions.en.vtt"
        captions.write_text(captions.read_text().replace("Good morning", "Good evening"))
        site.proxy.reset()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        assert site.one_package or site.proxy.body_bytes < site.lecture_bytes

    async def test_what_is_no_longer_there_goes(self, site: Site, folder: Path) -> None:
        if "captions.en.vtt" not in self.names:
            pytest.skip("captions have no place of their own here")
        await deliver(folder, self.kept(site))
        (folder / PRODUCTS / "captions.en.vtt").unlink()
        status = await deliver(folder, self.kept(site))
        assert status.state == "verified", f"{status.detail} {status.remedy}"
        assert await site.holdings() == expected(folder, site, ["lecture.mp4"])

    async def test_corrections_follow_when_the_media_was_deleted_here(
        self, site: Site, folder: Path
    ) -> None:
        if "captions.en.vtt" not in self.names:
            pytest.skip("captions have no place of their own here")
        await deliver(folder, self.kept(site))
        there = await site.holdings()
        (folder / PRODUCTS / "lecture.mp4").unlink()
        (folder / PRUNED).write_text("{}")
        assert (await deliver(folder, self.kept(site))).state == "verified"
        (folder / PRODUCTS / "captions.en.vtt").write_text("WEBVTT\n")
        status = await deliver(folder, self.kept(site))
        assert status.receipt is not None
        if site.one_package:
            assert (status.state, "only copy" in status.remedy) == ("failed", True)
            assert await site.holdings() == there
            return
        assert status.state == "verified", f"{status.detail} {status.remedy}"
        name = site.sent_as("captions.en.vtt")
        assert await site.holdings() == {**there, name: [b"WEBVTT\n"]}

    async def test_corrected_words_follow(self, site: Site, folder: Path) -> None:
        await deliver(folder, self.kept(site))
        await site.words()
        correct(folder, title="Another title", visibility="public")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        title, seen = await site.words()
        assert (title, seen or "public") == ("Another title", "public")
        before = site.proxy.asked
        await deliver(folder, self.kept(site))
        assert site.proxy.asked == before


class HttpTargetContract(TargetContract):
    """Faults are put on every single request of a clean delivery in turn."""

    async def requests(self, site: Site, folder: Path) -> list[tuple[int, int]]:
        """(number, body bytes) of each request of a clean delivery."""
        await self.fresh(site, folder)
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site), tries=1))
        return [(number, seen.body) for number, seen in enumerate(site.proxy.seen)]

    def within_the_allowance(self, site: Site, folder: Path, faults: int = 1) -> None:
        """Bytes sent twice: under 5 % of the file, plus a chunk per fault, plus small talk."""
        if not site.resumes:
            return
        size = sum((folder / PRODUCTS / name).stat().st_size for name in self.names)
        small_talk = 600 * len(site.proxy.seen)
        limit = size * 1.05 + site.chunk * faults + small_talk
        assert site.proxy.body_bytes <= limit

    async def test_cut_before_and_in_every_piece(self, site: Site, folder: Path) -> None:
        """Requests without a piece of a file are cut by the tests below, which break all."""
        for number, body in await self.requests(site, folder):
            for after in {0, body // 2} if body > 10_000 else ():
                await self.fresh(site, folder)
                site.proxy.faults = {number: Fault("cut", after=after)}
                await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
                self.within_the_allowance(site, folder)

    async def test_a_server_error_to_every_request(self, site: Site, folder: Path) -> None:
        statuses = itertools.cycle([429, 500, 503, 504])
        for number, _ in await self.requests(site, folder):
            await self.fresh(site, folder)
            site.proxy.faults = {number: Fault("status", status=next(statuses))}
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            self.within_the_allowance(site, folder)

    async def test_done_but_the_answer_is_lost(self, site: Site, folder: Path) -> None:
        kinds = itertools.cycle(["lost", "late"])
        for number, _ in await self.requests(site, folder):
            await self.fresh(site, folder)
            site.proxy.faults = {number: Fault(next(kinds), status=504)}
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            self.within_the_allowance(site, folder)

    async def test_withdrawn_though_an_answer_is_lost(self, site: Site, folder: Path) -> None:
        number = 0
        while True:
            await self.fresh(site, folder)
            await deliver(folder, self.kept(site))
            site.proxy.reset()
            site.proxy.faults = {number: Fault("lost")}
            worker = DeliveryWorker(folder.parent, [self.kept(site)], backoff=FAST)
            target = self.kept(site).id
            status = await worker.ask_back(folder, target)
            while status.state == "withdrawing":
                assert status.attempts < TRIES, status.detail
                await worker.taken_back(folder)
                (status,) = worker.of(folder)
            assert status.state == "withdrawn", f"{status.detail} {status.remedy}"
            assert await site.holdings() == {}
            if number >= site.proxy.asked:
                break
            number += 1

    async def test_many_faults_in_a_row(self, site: Site, folder: Path) -> None:
        count = len(await self.requests(site, folder))
        await self.fresh(site, folder)
        site.proxy.faults = {n: Fault("lost") for n in range(1, 3 * count, 4)}
        status = await deliver(folder, self.kept(site), tries=4 * count)
        await self.arrived_once(site, folder, status)

    async def test_the_server_restarts_in_the_middle(self, site: Site, folder: Path) -> None:
        requests = await self.requests(site, folder)
        biggest = max(requests, key=lambda one: one[1])
        await self.fresh(site, folder)
        site.proxy.faults = {biggest[0]: Fault("cut", after=biggest[1] // 2)}
        status = await deliver(folder, self.kept(site), tries=1)
        assert status.state == "retrying"
        await site.restart()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_refused_credentials_say_what_to_do(self, site: Site, folder: Path) -> None:
        if site.unauthorised is None:
            pytest.skip("refused credentials look different here; the target's own test has them")
        fault = site.unauthorised
        site.proxy.always = lambda _: fault
        status = await deliver(folder, self.kept(site))
        assert status.state == "failed"
        assert status.remedy
        assert status.next_try is not None
        site.proxy.reset()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_credentials_that_run_out_in_the_middle(self, site: Site, folder: Path) -> None:
        """Renewed by itself where that can be; else a person is told, and it goes on from there."""
        if site.unauthorised is None:
            pytest.skip("refused credentials look different here; the target's own test has them")
        for number, _ in await self.requests(site, folder):
            await self.fresh(site, folder)
            site.proxy.faults = {number: site.unauthorised}
            status = await deliver(folder, self.kept(site))
            if status.state == "failed":
                assert status.remedy
                status = await deliver(folder, self.kept(site))
            await self.arrived_once(site, folder, status)
            self.within_the_allowance(site, folder)

    async def test_a_full_platform_says_what_to_do(self, site: Site, folder: Path) -> None:
        if site.quota is None:
            pytest.skip("a full platform looks different here; the target's own test has it")
        fault = site.quota
        site.proxy.always = lambda seen: fault if (seen.length or 0) > 10_000 else None
        status = await deliver(folder, self.kept(site))
        assert status.state == "failed", status
        assert status.remedy
        site.proxy.reset()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_damage_is_noticed_and_repaired(self, site: Site, folder: Path) -> None:
        requests = await self.requests(site, folder)
        await self.fresh(site, folder)
        # The last answer never comes, so the delivery asks again what it finds damaged by then.
        site.proxy.faults = {requests[-1][0]: Fault("lost")}
        status = await deliver(folder, self.kept(site), tries=1)
        assert status.state == "retrying"
        await site.damage("lecture.mp4")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_killed_while_it_sends(self, site: Site, folder: Path) -> None:
        requests = await self.requests(site, folder)
        biggest = max(requests, key=lambda one: one[1])
        points = {(biggest[0], biggest[1] // 2), (requests[-1][0], 0)}
        for number, after in sorted(points):
            await self.fresh(site, folder)
            await self._killed_at(site, folder, number, after)
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            self.within_the_allowance(site, folder)

    async def _killed_at(self, site: Site, folder: Path, number: int, after: int) -> None:
        reached = asyncio.Event()
        config = self.kept(site).model_dump(mode="json", by_alias=True)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CHILD),
            str(folder),
            json.dumps(config),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

        def watch(seen: Any) -> Fault | None:
            if len(site.proxy.seen) == number and after == 0:
                reached.set()
                return Fault("cut", after=0)
            return None

        def count(seen: Any) -> None:
            mine = len(site.proxy.seen) > number and site.proxy.seen[number] is seen
            if mine and seen.body >= after and not reached.is_set():
                reached.set()
                child.kill()

        site.proxy.always, site.proxy.on_body = watch, count
        async with asyncio.timeout(60):
            await reached.wait()
        if child.returncode is None:
            child.kill()
        await child.wait()
        site.proxy.always, site.proxy.on_body = (lambda _: None), (lambda _: None)

"""Moodle against a fake that answers as a running Moodle 4.5.6 did, errors and silences included.

With CLASSROOMD_MOODLE_URL, CLASSROOMD_MOODLE_TOKEN and CLASSROOMD_MOODLE_COURSE (an idnumber) set,
the delivery also runs against that server.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_moodle import FUNCTIONS, TEXT, FakeMoodle, error
from fake_site import FakeSite, opened
from fault_proxy import Fault
from publishing_contract import HttpTargetContract, deliver

from publishing.delivery import DeliveryWorker
from publishing.metadata import correct
from publishing.target import TargetConfig
from recorder.recording import PRODUCTS


class MoodleSite(FakeSite[FakeMoodle]):
    quota = Fault(
        "status", status=200, headers=TEXT, body=b'[{"errortype": "fileoversized"}]'
    )  # fmt: skip
    unauthorised = Fault("status", status=200, body=json.dumps(error("invalidtoken")).encode())

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="lms", target="moodle", url=self.proxy.url, secret=f"file:{self.secret}", **more
        )

    async def holdings(self) -> dict[str, list[bytes]]:
        assert self.fake.refusals == []
        found: dict[str, list[bytes]] = {}
        for post in self.fake.posts.values():
            for name, data in post["files"].items():
                found.setdefault(name, []).append(data)
        return found

    async def words(self) -> tuple[str, str]:
        (post,) = self.fake.posts.values()
        return post["subject"].removesuffix(" (2026-03-02)"), ""

    async def wipe(self) -> None:
        self.fake.posts, self.fake.drafts = {}, {}

    async def damage(self, name: str) -> None:
        for post in self.fake.posts.values():
            post["files"][name] = post["files"][name][:-1] + b"?"


class TestMoodle(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[MoodleSite]:
        async with opened(MoodleSite(FakeMoodle(), tmp_path / "secret"), "token") as site:
            yield site

    async def test_an_entry_of_a_database_once_and_whole_through_faults(
        self, site: MoodleSite, folder: Path
    ) -> None:
        config = site.config(database="Lectures", products=site.products)
        lecture = (folder / "products/lecture.mp4").read_bytes()
        status = await deliver(folder, config, tries=1)
        assert status.state == "verified", status.detail
        assert status.receipt is not None
        assert status.receipt["place"].startswith(f"{site.proxy.url}/mod/data/view.php?d=31&rid=")
        count = site.proxy.asked
        for number in range(count):
            for file in (folder / "deliveries").glob("*"):
                file.unlink()
            site.fake.entries, site.fake.drafts = {}, {}
            site.proxy.reset()
            site.proxy.faults = {number: Fault("lost") if number % 2 else Fault("cut", after=0)}
            status = await deliver(folder, config)
            assert status.state == "verified", status.detail
            (entry,) = site.fake.entries.values()
            assert entry["title"] == "Calculus: limits (2026-03-02)"
            assert "First of twelve." in entry["text"]
            assert list(entry["files"]) == [23, 24]
            assert list(entry["files"][23].values()) == [lecture]
        for entry in site.fake.entries.values():
            entry["files"][23] = {"lecture.mp4": lecture[:-1] + b"?"}
        (folder / "deliveries/lms.json").unlink()
        assert (await deliver(folder, config)).state == "verified"
        (entry,) = site.fake.entries.values()
        assert list(entry["files"][23].values()) == [lecture]
        worker = DeliveryWorker(folder.parent, [config])
        await worker.withdraw(folder, "lms")
        assert site.fake.entries == {}

    async def test_corrections_reach_the_entry(self, site: MoodleSite, folder: Path) -> None:
        config = site.config(database="Lectures", products=site.products)
        await deliver(folder, config)
        correct(folder, title="Another title", description="Corrected.")
        site.proxy.reset()
        assert (await deliver(folder, config)).state == "verified"
        (entry,) = site.fake.entries.values()
        assert entry["title"] == "Another title (2026-03-02)"
        assert "Corrected." in entry["text"]
        assert max(seen.body for seen in site.proxy.seen) < 10_000
        (folder / PRODUCTS / "captions.en.vtt").write_text("WEBVTT\n")
        correct(folder, course="math-102")
        assert (await deliver(folder, config)).state == "verified"
        (entry,) = site.fake.entries.values()
        assert (entry["database"], entry["files"][24]) == (41, {"captions.en.vtt": b"WEBVTT\n"})

    async def test_a_correction_edits_the_post_and_sends_only_what_changed(
        self, site: MoodleSite, folder: Path
    ) -> None:
        await deliver(folder, self.kept(site))
        (before,) = site.fake.posts
        correct(folder, title="Another title", chapters=[(5.0, "Series")])
        (folder / PRODUCTS / "captions.en.vtt").write_text("WEBVTT\n")
        site.proxy.reset()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        (post,) = site.fake.posts.values()
        assert (post["id"], post["subject"]) == (before, "Another title (2026-03-02)")
        assert "<li>0:05 Series</li>" in post["message"]
        assert max(seen.body for seen in site.proxy.seen) < 10_000
        (folder / PRODUCTS / "captions.en.vtt").unlink()
        (folder / PRODUCTS / "captions.fr.vtt").write_text("WEBVTT\n\n")
        assert (await deliver(folder, self.kept(site))).state == "verified"
        assert sorted(await site.holdings()) == ["captions.fr.vtt", "lecture.mp4"]

    async def test_a_correction_arrives_once_through_faults(
        self, site: MoodleSite, folder: Path
    ) -> None:
        number = 0
        while True:
            await self.fresh(site, folder)
            correct(folder, title=None)
            await deliver(folder, self.kept(site))
            correct(folder, title="Another title")
            (folder / PRODUCTS / "captions.en.vtt").write_text(f"WEBVTT\n\n{number}\n")
            site.proxy.reset()
            site.proxy.faults = {number: Fault("lost")}
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            assert await site.words() == ("Another title", "")
            if number >= site.proxy.asked:
                break
            number += 1

    async def test_a_corrected_course_moves_the_post(self, site: MoodleSite, folder: Path) -> None:
        await deliver(folder, self.kept(site))
        correct(folder, course="math-102")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
        (post,) = site.fake.posts.values()
        assert post["forum"] == 22

    async def test_a_post_that_somebody_deleted_is_made_again(
        self, site: MoodleSite, folder: Path
    ) -> None:
        await deliver(folder, self.kept(site))
        site.fake.posts = {}
        correct(folder, title="Another title")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_a_database_that_does_not_fit_is_told(
        self, site: MoodleSite, folder: Path
    ) -> None:
        status = await deliver(folder, site.config(database="Films"))
        assert (status.state, "no database Films" in status.detail) == ("failed", True)
        site.fake.fields = [(21, "text")]
        status = await deliver(folder, site.config(database="Lectures"))
        assert "textarea, file" in status.detail

    async def test_the_post_holds_a_player_and_its_captions(
        self, site: MoodleSite, folder: Path
    ) -> None:
        status = await deliver(folder, site.config())
        (post,) = site.fake.posts.values()
        assert post["forum"] == 12
        assert post["subject"] == "Calculus: limits (2026-03-02)"
        message = post["message"]
        assert '<source src="@@PLUGINFILE@@/lecture.mp4" type="video/mp4">' in message
        assert 'src="@@PLUGINFILE@@/captions.en.vtt" srclang="en"' in message
        assert 'poster="@@PLUGINFILE@@/poster.jpg"' in message
        assert '<track kind="chapters" src="@@PLUGINFILE@@/chapters.vtt">' in message
        assert "chapters.vtt" in post["files"]
        assert "<li>0:20 Sums</li>" in message
        assert "Ada Byron · 2026-03-02 · r101 · CC-BY-4.0" in message
        assert status.receipt is not None
        assert status.receipt["place"].endswith(f"/mod/forum/discuss.php?d={post['discussion']}")

    async def test_words_are_no_markup(self, site: MoodleSite, make_recording: Any) -> None:
        folder = make_recording(title="<script>alert(1)</script> & more", lecturer='"><b>')
        assert (await deliver(folder, site.config())).state == "verified"
        (post,) = site.fake.posts.values()
        assert "<script>" not in post["message"]
        assert '"><b>' not in post["message"]

    async def test_a_file_dropped_without_a_word_is_noticed(
        self, site: MoodleSite, folder: Path
    ) -> None:
        site.fake.course["maxbytes"] = 100_000
        # The course record tells no limit, as for a user who may not see it.
        tell = site.fake.core_course_get_courses_by_field
        site.fake.core_course_get_courses_by_field = lambda form: {  # type: ignore[method-assign]
            "courses": [{**tell(form)["courses"][0], "maxbytes": 0}]
        }
        status = await deliver(folder, site.config(), tries=2)
        assert status.state == "retrying"
        assert "without a word" in status.detail
        assert "limit" in status.remedy
        assert len(site.fake.posts) == 1

    async def test_over_the_limit_says_so_or_posts_a_link(
        self, site: MoodleSite, folder: Path
    ) -> None:
        site.fake.course["maxbytes"] = 100_000
        status = await deliver(folder, site.config())
        assert (status.state, status.next_try) == ("failed", None)
        assert "100000 bytes" in status.detail
        status = await deliver(folder, site.config(review_url="https://room.example/review/{id}"))
        assert status.state == "verified"
        (post,) = site.fake.posts.values()
        assert '<a href="https://room.example/review/rec0001">' in post["message"]
        assert status.receipt is not None
        assert [file["name"] for file in status.receipt["files"]] == ["link"]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"token": "other"}, "new token"),
            ({"functions": FUNCTIONS[2:]}, "moodle_mobile_app"),
            ({"course": {"id": 7}}, "Enrol"),
        ],
    )
    async def test_what_is_wrong_is_told(
        self, site: MoodleSite, folder: Path, change: dict[str, Any], told: str
    ) -> None:
        for name, value in change.items():
            setattr(site.fake, name, value)
        status = await deliver(folder, site.config())
        assert status.state == "failed"
        assert told in status.remedy

    async def test_an_unknown_course_and_a_private_recording_are_not_posted(
        self, site: MoodleSite, make_recording: Any
    ) -> None:
        status = await deliver(make_recording(course="art-9"), site.config())
        assert "no course whose idnumber is 'art-9'" in status.detail
        folder = make_recording()
        (folder / "products/metadata.json").write_text('{"visibility": "private"}')
        assert "private" in (await deliver(folder, site.config())).detail
        assert site.fake.posts == {}

    async def test_withdrawn_means_deleted(self, site: MoodleSite, folder: Path) -> None:
        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "lms")
        assert (await worker.withdraw(folder, "lms")).state == "withdrawn"
        assert site.fake.posts == {}

    async def test_the_token_stays_out_of_addresses_and_records(
        self, site: MoodleSite, folder: Path
    ) -> None:
        site.fake.token = "s3cret-token"
        site.secret.write_text("s3cret-token")
        await deliver(folder, site.config())
        assert not [seen for seen in site.proxy.seen if "s3cret-token" in seen.path]
        assert "s3cret-token" not in (folder / "deliveries/lms.json").read_text()


async def test_a_real_moodle(make_recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, course = (
        os.environ.get("CLASSROOMD_MOODLE_URL"),
        os.environ.get("CLASSROOMD_MOODLE_COURSE"),
    )
    if not url or not course or "CLASSROOMD_MOODLE_TOKEN" not in os.environ:
        pytest.skip("no real Moodle: CLASSROOMD_MOODLE_URL, _TOKEN and _COURSE are not set")
    config = TargetConfig(
        id="lms", target="moodle", url=url, course=course, secret="env:CLASSROOMD_MOODLE_TOKEN"
    )
    folder = make_recording()
    worker = DeliveryWorker(folder.parent, [config])
    assert (await worker.deliver_once(folder, "lms", tries=3)).state == "verified"
    correct(folder, title="Another title")
    (folder / PRODUCTS / "captions.en.vtt").write_text("WEBVTT\n")
    status = await worker.deliver_once(folder, "lms", tries=3)
    assert status.state == "verified", f"{status.detail} {status.remedy}"
    assert (await worker.withdraw(folder, "lms")).state == "withdrawn"

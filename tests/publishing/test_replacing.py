"""Where a video cannot be exchanged, the old one goes when the new one is proved, not before."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_site import opened
from publishing_contract import FAST, deliver
from test_peertube import FakePeerTube, PeerTubeSite
from test_youtube import FakeYouTube, YouTubeSite

from publishing.delivery import DeliveryWorker
from recorder.recording import PRODUCTS

SITES = {
    "youtube": lambda secret: opened(YouTubeSite(FakeYouTube(), secret), "refresh"),
    "peertube": lambda secret: opened(PeerTubeSite(FakePeerTube(), secret), "word"),
}
LONG = 1000


@pytest.fixture(params=SITES)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    async with SITES[request.param](tmp_path / "secret") as site:
        yield site


@pytest.fixture
async def changed(site: Any, make_recording: Any) -> Path:
    """A recording that was published, and whose new lecture the platform is still processing."""
    folder: Path = make_recording()
    assert (await deliver(folder, site.config())).state == "verified"
    (folder / PRODUCTS / "lecture.mp4").write_bytes(os.urandom(90_000))
    site.fake.polls = LONG
    status = await deliver(folder, site.config(), tries=3)
    assert status.state == "verifying", status.detail
    return folder


def finish(site: Any) -> None:
    site.fake.polls = 0
    for video in site.fake.videos.values():
        video["polls"] = 0


async def test_the_old_one_stays_until_the_new_one_is_proved(site: Any, changed: Path) -> None:
    _, new = site.fake.videos
    finish(site)
    assert (await deliver(changed, site.config())).state == "verified"
    assert list(site.fake.videos) == [new]


async def test_changed_once_more_meanwhile_only_the_newest_is_left(
    site: Any, changed: Path
) -> None:
    lecture = changed / PRODUCTS / "lecture.mp4"
    lecture.write_bytes(os.urandom(80_000))
    finish(site)
    assert (await deliver(changed, site.config())).state == "verified"
    assert [video["data"] for video in site.fake.videos.values()] == [lecture.read_bytes()]


async def test_withdrawn_meanwhile_neither_is_left(site: Any, changed: Path) -> None:
    worker = DeliveryWorker(changed.parent, [site.config()], backoff=FAST)
    assert (await worker.withdraw(changed, site.config().id)).state == "withdrawn"
    assert site.fake.videos == {}

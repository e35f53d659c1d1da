"""A strict fake as a target's other end, behind the proxy that breaks the way to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Generic, TypeVar

from fake_server import Fake
from fault_proxy import FaultProxy
from publishing_contract import Site

AnyFake = TypeVar("AnyFake", bound=Fake)
AnySite = TypeVar("AnySite", bound="FakeSite")  # type: ignore[type-arg]


class FakeSite(Site, Generic[AnyFake]):
    """`secret` is the file that the target reads its secret from."""

    def __init__(self, fake: AnyFake, secret: Path) -> None:
        self.fake, self.secret = fake, secret

    async def restart(self) -> None:
        await self.fake.stop()
        await self.fake.start()


@asynccontextmanager
async def opened(site: AnySite, secret: str) -> AsyncIterator[AnySite]:
    """The site, started, with this secret; the fake tells addresses that lead through the proxy."""
    site.secret.write_text(secret)
    await site.fake.start()
    site.proxy = FaultProxy((site.fake.host, site.fake.port))
    await site.proxy.start()
    site.fake.base = site.proxy.url
    yield site
    await site.proxy.stop()
    await site.fake.stop()

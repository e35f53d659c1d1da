"""The resumable upload that Google defined and PeerTube took over: `Content-Range` and 308.

A session has an address. `PUT` with `bytes */N` asks how far it is; 308 with `Range: bytes=0-K`
answers; the last piece is answered with what became of the file.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import httpx

from publishing.errors import ErrorKind, TargetError
from publishing.products import Product
from publishing.shipment import Shipment

UNIT = 256 << 10
Ask = Callable[..., Awaitable[httpx.Response]]


async def resume(
    ask: Ask, url: str, shipment: Shipment, product: Product, *, chunk: int, size: int | None = None
) -> httpx.Response | None:
    """Send what is missing; the last answer, or None when the session is no longer known.

    `ask` is `Web.ask` with the credentials in it. `chunk` is rounded to 256 KiB, which Google
    demands of every piece but the last. `size` is the file's length where not all of it goes.
    """
    total = product.size if size is None else size
    chunk = max(UNIT, chunk // UNIT * UNIT)
    answer = await ask(
        "PUT",
        url,
        ok=(200, 201, 308, 404, 410),
        headers={"content-range": f"bytes */{total}", "content-length": "0"},
    )
    while answer.status_code == 308:
        offset = _offset(answer)
        shipment.at(product, offset)
        if offset >= total:
            raise TargetError(ErrorKind.RETRY, "The platform has every byte but does not finish.")
        length = min(chunk, total - offset)
        answer = await ask(
            "PUT",
            url,
            ok=(200, 201, 308, 404, 410),
            content=shipment.pieces(product, offset, length),
            headers={
                "content-range": f"bytes {offset}-{offset + length - 1}/{total}",
                "content-length": str(length),
                "content-type": product.media_type,
            },
        )
    if answer.status_code in (404, 410):
        return None
    shipment.at(product, product.size)
    return answer


async def grow(ask: Ask, url: str, shipment: Shipment, product: Product) -> int | None:
    """Send what a file has grown by, its length still unknown; bytes there, None if forgotten."""
    answer = await ask(
        "PUT",
        url,
        ok=(308, 404, 410),
        headers={"content-range": "bytes */*", "content-length": "0"},
    )
    if answer.status_code != 308:
        return None
    offset, end = _offset(answer), product.size // UNIT * UNIT
    if end > offset:
        answer = await ask(
            "PUT",
            url,
            ok=(308, 404, 410),
            content=shipment.pieces(product, offset, end - offset),
            headers={
                "content-range": f"bytes {offset}-{end - 1}/*",
                "content-length": str(end - offset),
                "content-type": product.media_type,
            },
        )
    return _offset(answer) if answer.status_code == 308 else None


async def there(ask: Ask, url: str) -> int:
    """How many bytes of a file of unknown length are there; 0 for a session nobody knows."""
    answer = await ask(
        "PUT",
        url,
        ok=(308, 404, 410),
        headers={"content-range": "bytes */*", "content-length": "0"},
    )
    return _offset(answer) if answer.status_code == 308 else 0


def _offset(answer: httpx.Response) -> int:
    """Bytes that are there; a 308 without `Range` says that there are none."""
    told = re.search(r"0-(\d+)$", answer.headers.get("range", ""))
    return int(told[1]) + 1 if told else 0

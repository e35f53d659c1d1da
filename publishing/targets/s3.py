"""S3 and whatever speaks it: multipart uploads that go on after any fault.

Source: Amazon S3 API reference (CreateMultipartUpload, UploadPart, ListParts,
CompleteMultipartUpload, HeadObject). Requests are signed by `publishing.sigv4`.
"""

from __future__ import annotations

import asyncio
import hashlib
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Collection, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import httpx
from pydantic import Field

from publishing.http import Url, Web
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.sigv4 import UNSIGNED, SigV4
from publishing.target import ErrorKind, Options, SecretRef, TargetError, secret
from publishing.targets.store import Held, Proof, Store, StoreOptions

MIB = 1 << 20
_LEAST_PART = 5 * MIB
_AT_ONCE = 2


class S3Options(StoreOptions):
    """`user` is the access key id, `secret` the secret access key.

    `part_mb`: S3 takes 5 MiB to 5 GiB a part and 10,000 parts. `addressing`: whether the bucket
    stands in the path (MinIO, Ceph, Garage) or in the host name (AWS).
    """

    url: Url
    bucket: str = Field(min_length=3, max_length=63)
    region: str = "us-east-1"
    user: str
    secret: SecretRef
    part_mb: Annotated[int, Field(ge=5, le=1024)] = 16
    addressing: Literal["path", "host"] = "path"
    ca_file: str | None = None


class Bucket:
    """The calls on one bucket that an upload needs. Also what Panopto's upload speaks."""

    def __init__(self, web: Web, base: str, *, signed: bool) -> None:
        self.web = web
        self.base = base
        self._signed = signed

    def url(self, key: str) -> str:
        return f"{self.base}/{quote(key, safe='/-_.~')}"

    async def head(self, key: str) -> Held | None:
        response = await self._ask("HEAD", key, ok=(200, 404))
        if response.status_code == 404:
            return None
        size = int(response.headers["content-length"])
        return Held(size, response.headers.get("etag", "").strip('"'))

    async def put(self, shipment: Shipment, product: Product, key: str) -> None:
        data = await shipment.read(product, 0, product.size)
        headers = {"content-type": product.media_type, **await self._hashes(data)}
        await self._ask("PUT", key, data=data, body=(shipment, product, 0), headers=headers)

    async def store(self, key: str, data: bytes, media_type: str) -> None:
        """A small object that is no product."""
        await self._ask("PUT", key, data=data, headers={"content-type": media_type})

    async def begin(self, key: str, media_type: str, *, clear: bool = True) -> str:
        """A new multipart upload; `clear` gives up those for this key that were forgotten."""
        listed = (
            _all(
                _parse(await self._ask("GET", "", params={"uploads": "", "prefix": key})), "Upload"
            )
            if clear
            else []
        )
        for upload in listed:
            if _text(upload, "Key") == key:
                await self.abort(key, _text(upload, "UploadId"))
        answer = await self._ask(
            "POST", key, params={"uploads": ""}, headers={"content-type": media_type}
        )
        return _text(_parse(answer), "UploadId")

    async def parts(self, key: str, upload: str) -> dict[int, tuple[int, str]] | None:
        """Number → (size, ETag) of the parts that are there; None for an unknown upload."""
        found: dict[int, tuple[int, str]] = {}
        marker = "0"
        while True:
            params = {"uploadId": upload, "part-number-marker": marker}
            answer = await self._ask("GET", key, params=params, ok=(200, 404))
            if answer.status_code == 404:
                return None
            listed = _parse(answer)
            for part in _all(listed, "Part"):
                number = int(_text(part, "PartNumber"))
                found[number] = (int(_text(part, "Size")), _text(part, "ETag").strip('"'))
            if _text(listed, "IsTruncated") != "true":
                return found
            marker = _text(listed, "NextPartNumberMarker")

    async def part(
        self, shipment: Shipment, product: Product, key: str, upload: str, number: int, data: bytes,
        offset: int | None,
    ) -> str:  # fmt: skip
        """Send one part; its ETag as the store computed it. No `offset`: one of several at once."""
        params = {"partNumber": str(number), "uploadId": upload}
        headers = await self._hashes(data)
        answer = await self._ask(
            "PUT", key, params=params, data=data, body=(shipment, product, offset), headers=headers
        )
        return str(answer.headers.get("etag", "")).strip('"')

    async def complete(self, key: str, upload: str, tags: Mapping[int, str]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(tag)}&quot;</ETag></Part>"
            for number, tag in sorted(tags.items())
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        # S3 may answer 200 and tell in the body that it failed.
        answer = await self._ask("POST", key, params={"uploadId": upload}, data=body)
        told = _parse(answer)
        if told.tag.rpartition("}")[2] == "Error":
            raise TargetError(ErrorKind.RETRY, f"The store did not finish: {_text(told, 'Code')}.")

    async def abort(self, key: str, upload: str) -> None:
        await self._ask("DELETE", key, params={"uploadId": upload}, ok=(204, 404))

    async def delete(self, key: str) -> None:
        await self._ask("DELETE", key, ok=(204, 404))

    async def _hashes(self, data: bytes) -> dict[str, str]:
        """Content-MD5 makes the store refuse a part that changed on its way."""
        digest = await asyncio.to_thread(hashlib.md5, data, usedforsecurity=False)
        headers = {"content-md5": b64encode(digest.digest()).decode()}
        if self._signed and self.base.startswith("http:"):
            headers["x-amz-content-sha256"] = await asyncio.to_thread(
                lambda: hashlib.sha256(data).hexdigest()
            )
        else:
            headers["x-amz-content-sha256"] = UNSIGNED
        return headers

    async def _ask(
        self,
        method: str,
        key: str,
        *,
        ok: Collection[int] = (200,),
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes = b"",
        body: tuple[Shipment, Product, int | None] | None = None,
    ) -> httpx.Response:
        for last in (False, True):
            extra = dict(headers or {})
            extra.setdefault("x-amz-content-sha256", hashlib.sha256(data).hexdigest())
            if data:
                extra["content-length"] = str(len(data))
            content: Any = body[0].slices(body[1], data, body[2]) if body else data
            answer = await self.web.ask(
                method,
                self.url(key) if key else self.base,
                ok=(*ok, 400, 403),
                params=params,
                headers=extra,
                content=content,
            )
            if answer.status_code in ok:
                return answer
            code = _code(answer)
            # A clock that is wrong here is put right by the Date that came with the refusal.
            skewed = code == "RequestTimeTooSkewed" or (
                method == "HEAD" and answer.status_code == 403 and abs(self.web.skew_s) > 60
            )
            if not skewed or last:
                raise self._refusal(answer, code)
        raise AssertionError

    def _refusal(self, answer: httpx.Response, code: str) -> TargetError:
        if code == "QuotaExceeded":
            return TargetError(
                ErrorKind.BLOCKED, "The bucket's quota is used up.", "Raise the bucket's quota."
            )
        if code in ("RequestTimeout", "BadDigest"):
            return TargetError(ErrorKind.RETRY, f"The store received a part wrongly ({code}).")
        if code == "NoSuchBucket":
            return TargetError(ErrorKind.BLOCKED, "The bucket does not exist.", "Create it.")
        if code == "InvalidAccessKeyId":
            return TargetError(
                ErrorKind.BLOCKED, "The store does not know this access key.", "Check `user`."
            )
        return self.web.refusal(answer)


class S3(Store):
    """Large files go up in parts; the ETag that the store computed proves every byte of them."""

    name = "s3"
    schema: ClassVar[type[Options]] = S3Options
    resumes = True
    goes_ahead = True
    options: S3Options
    bucket: Bucket

    async def __aenter__(self) -> Self:
        web = Web(
            "The object store",
            refused_hint=f"Check `user` and `secret` of [[publish]] {self.id}, and that this key "
            f"may write to the bucket {self.options.bucket}.",
            ca_file=self.options.ca_file,
        )
        key = secret(self.options.secret)
        web.use(SigV4(self.options.user, key, self.options.region, skew=lambda: web.skew_s))
        parts = urlsplit(self.options.url)
        base = f"{self.options.url}/{self.options.bucket}"
        if self.options.addressing == "host":
            base = f"{parts.scheme}://{self.options.bucket}.{parts.netloc}"
        self.bucket = Bucket(web, base, signed=True)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.bucket.web.__aexit__(*exc)

    async def held(self, path: str) -> Held | None:
        return await self.bucket.head(path)

    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        await self._take_over(shipment, product, path)
        size = self._part_size(shipment, product)
        if product.size <= size:
            await self.bucket.put(shipment, product, path)
            return
        await multipart(self.bucket, shipment, product, path, size)

    async def prove(self, shipment: Shipment, product: Product, path: str, there: Held) -> Proof:
        size = self._part_size(shipment, product)
        tag = await asyncio.to_thread(etag, product, size)
        if tag == there.mark:
            return Proof(True, f"etag:{tag}")
        # Not an MD5 (encrypted with a managed key), or uploaded in other parts: read it back.
        headers = {"x-amz-content-sha256": UNSIGNED, "accept-encoding": "identity"}
        _, digest = await self.bucket.web.fingerprint(self.bucket.url(path), headers=headers)
        return Proof(digest == await shipment.digest(product), f"sha256:{digest}")

    async def ahead(self, shipment: Shipment, lecture: Product) -> None:
        """Parts from the second on, as the lecture grows; the first one changes at its close."""
        note, key = shipment.notes.setdefault("ahead", {}), self.path_of(shipment, lecture)
        if note.get("key") != key:
            await self.abandon(shipment)
            upload = await self.bucket.begin(key, lecture.media_type)
            note = shipment.notes["ahead"] = {"key": key, "upload": upload, "next": 2}
            await shipment.save()
        while (end := note["next"] * _LEAST_PART) <= lecture.size:
            number, offset = note["next"], end - _LEAST_PART
            data = await shipment.read(lecture, offset, _LEAST_PART)
            await self.bucket.part(shipment, lecture, key, note["upload"], number, data, offset)
            note["next"] = number + 1
            await shipment.save()

    async def abandon(self, shipment: Shipment) -> None:
        if note := shipment.notes.pop("ahead", None):
            await self.bucket.abort(note["key"], note["upload"])

    async def _take_over(self, shipment: Shipment, product: Product, path: str) -> None:
        """What went ahead in class becomes this lecture's upload; parts that differ are resent."""
        note = shipment.notes.get("ahead")
        if note is None or product.kind is not Kind.LECTURE:
            return
        if note["key"] == path and product.size > _LEAST_PART:
            file = shipment.note(product)
            file["upload"], file["part"] = note["upload"], _LEAST_PART
            del shipment.notes["ahead"]
        else:
            await self.abandon(shipment)
        await shipment.save()

    async def remove(self, path: str) -> None:
        await self.bucket.delete(path)

    def place(self, path: str) -> str:
        return f"s3://{self.options.bucket}/{path}"

    def _part_size(self, shipment: Shipment, product: Product) -> int:
        """Parts as configured, larger only where 10,000 of them would not hold the file.

        What began in class goes on in the parts with which it began.
        """
        if begun := shipment.note(product).get("part"):
            return int(begun)
        least = -(-product.size // 10_000)
        return max(self.options.part_mb * MIB, -(-least // MIB) * MIB)


async def multipart(
    bucket: Bucket, shipment: Shipment, product: Product, key: str, size: int
) -> None:
    """Send a file in parts of `size` bytes, and only those that are not there yet."""
    note = shipment.note(product)
    there = None
    if note.get("upload"):
        there = await bucket.parts(key, note["upload"])
    if there is None:
        note["upload"], there = await bucket.begin(key, product.media_type), {}
        await shipment.save()
    tags: dict[int, str] = {}
    shipment.at(product, 0)

    async def one(number: int) -> None:
        offset = (number - 1) * size
        data = await shipment.read(product, offset, min(size, product.size - offset))
        if number in there:
            digest = await asyncio.to_thread(_md5, data)
            if there[number] == (len(data), digest):
                shipment.at(product, shipment.positions[product.name] + len(data))
                tags[number] = digest
                return
        tags[number] = await bucket.part(shipment, product, key, note["upload"], number, data, None)

    numbers = iter(range(1, -(-product.size // size) + 1))
    faults: list[Exception] = []

    async def some() -> None:
        # A fault of one part lets the others that are under way arrive, but begins no more.
        for number in numbers:
            if faults:
                return
            try:
                await one(number)
            except Exception as fault:
                faults.append(fault)

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    if faults:
        raise faults[0]
    await bucket.complete(key, note["upload"], tags)
    note.pop("upload")
    await shipment.save()


def etag(product: Product, size: int) -> str:
    """The ETag that S3 gives: the MD5, or the MD5 of the parts' MD5s and their number."""
    digests = []
    with product.path.open("rb", buffering=0) as file:
        while data := file.read(size):
            digests.append(hashlib.md5(data, usedforsecurity=False))
    if product.size <= size:
        return digests[0].hexdigest() if digests else _md5(b"")
    whole = hashlib.md5(b"".join(d.digest() for d in digests), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(digests)}"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _parse(answer: httpx.Response) -> ET.Element:
    try:
        return ET.fromstring(answer.content)  # noqa: S314 - expat guards against expansion
    except ET.ParseError as error:
        raise TargetError(ErrorKind.RETRY, "The store's answer cannot be read.") from error


def _code(answer: httpx.Response) -> str:
    try:
        return _text(ET.fromstring(answer.content), "Code")  # noqa: S314
    except ET.ParseError:
        return ""


def _all(tree: ET.Element, name: str) -> list[ET.Element]:
    return [child for child in tree if child.tag.rpartition("}")[2] == name]


def _text(tree: ET.Element, name: str) -> str:
    return next((child.text or "" for child in _all(tree, name)), "")

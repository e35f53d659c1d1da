"""S3 against moto's server, and the signature against botocore's own signer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fault_proxy import Fault, FaultProxy
from moto.server import ThreadedMotoServer
from publishing_contract import HttpTargetContract, Site, deliver

from publishing.sigv4 import SigV4
from publishing.target import TargetConfig

PART = 5 << 20
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code><Message>clock</Message></Error>"
QUOTA = b"<Error><Code>QuotaExceeded</Code></Error>"


class Moto(Site):
    """moto's S3 in threads of this process; its state is wiped between runs."""

    resumes = True
    chunk = PART
    lecture_bytes = PART + 100_000
    quota = Fault("status", status=403, body=QUOTA)
    unauthorised = Fault("status", status=403, body=b"<Error><Code>AccessDenied</Code></Error>")

    def __init__(self, secret: Path) -> None:
        self.secret = secret
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]
        self.client = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id="room", aws_secret_access_key="word",
        )  # fmt: skip
        self.client.create_bucket(Bucket="lectures")

    def config(self, **more: Any) -> TargetConfig:
        more = {"part_mb": 5, "bucket": "lectures", **more}
        return TargetConfig(
            id="store", target="s3", url=self.proxy.url, user="room",
            secret=f"file:{self.secret}", **more,
        )  # fmt: skip

    def keys(self) -> list[str]:
        return [
            o["Key"] for o in self.client.list_objects_v2(Bucket="lectures").get("Contents", [])
        ]

    async def holdings(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for key in await asyncio.to_thread(self.keys):
            body = self.client.get_object(Bucket="lectures", Key=key)["Body"].read()
            found.setdefault(key.rpartition("/")[2], []).append(body)
        return found

    async def wipe(self) -> None:
        def clear() -> None:
            for key in self.keys():
                self.client.delete_object(Bucket="lectures", Key=key)
            for upload in self.uploads():
                self.client.abort_multipart_upload(
                    Bucket="lectures", Key=upload["Key"], UploadId=upload["UploadId"]
                )

        await asyncio.to_thread(clear)

    def uploads(self) -> list[Any]:
        return self.client.list_multipart_uploads(Bucket="lectures").get("Uploads", [])

    async def damage(self, name: str) -> None:
        (key,) = [key for key in self.keys() if key.endswith(name)]
        body = self.client.get_object(Bucket="lectures", Key=key)["Body"].read()
        self.client.put_object(Bucket="lectures", Key=key, Body=body[:-1] + b"?")


class TestS3(HttpTargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Moto]:
        secret = tmp_path / "secret"
        secret.write_text("word")
        site = await asyncio.to_thread(Moto, secret)
        await site.wipe()  # moto keeps one state for the whole process
        site.proxy = FaultProxy(("127.0.0.1", site.port))
        await site.proxy.start()
        yield site
        await site.proxy.stop()
        await asyncio.to_thread(site.server.stop)

    async def test_the_etag_is_the_receipt(self, site: Moto, folder: Path) -> None:
        status = await deliver(folder, site.config())
        assert status.receipt is not None
        lecture = status.receipt["files"][0]
        assert lecture["digest"].startswith("etag:")
        assert lecture["digest"].endswith("-2")
        assert site.uploads() == []

    async def test_uploaded_in_other_parts_is_read_back(self, site: Moto, folder: Path) -> None:
        await deliver(folder, site.config())
        (folder / "deliveries" / "store.json").unlink()
        status = await deliver(folder, site.config(part_mb=6))
        assert status.receipt is not None
        digest = hashlib.sha256((folder / "products/lecture.mp4").read_bytes()).hexdigest()
        assert status.receipt["files"][0]["digest"] == f"sha256:{digest}"

    async def test_a_wrong_clock_is_corrected(self, site: Moto, folder: Path) -> None:
        late = {"Date": "Tue, 24 Nov 2037 10:00:00 GMT"}
        site.proxy.faults = {
            0: Fault("status", status=403, headers=late),  # an answer to HEAD has no body
            2: Fault("status", status=403, headers=late, body=SKEWED),
        }
        assert (await deliver(folder, site.config(), tries=1)).state == "verified"

    async def test_an_upload_whose_beginning_was_lost_is_given_up(
        self, site: Moto, folder: Path
    ) -> None:
        site.proxy.always = lambda seen: Fault("lost") if seen.method == "POST" else None
        await deliver(folder, site.config(), tries=2)
        site.proxy.reset()
        assert (await deliver(folder, site.config())).state == "verified"
        assert site.uploads() == []

    async def test_a_missing_bucket_is_named(self, site: Moto, folder: Path) -> None:
        status = await deliver(folder, site.config(bucket="nowhere"), tries=1)
        assert (status.state, bool(status.remedy)) != ("verified", False)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "https://s3.example.org/lectures?uploads=&prefix=a%20b%2F%C3%A9.mp4"),
        ("PUT", "https://s3.example.org/lectures/a%20b/%C3%A9~-_.mp4?partNumber=2&uploadId=a%2Bb"),
        ("HEAD", "http://127.0.0.1:9000/lectures/2026%20-%20%28one%29.mp4"),
        ("POST", "https://lectures.s3.eu-west-1.amazonaws.com/x.mp4?uploads="),
    ],
)
def test_the_signature_is_botocores(method: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *a, **k: at.replace(tzinfo=None)
    )
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"x-amz-content-sha256": empty, "content-type": "video/mp4"}
    theirs = AWSRequest(method=method, url=url, headers=headers)
    botocore.auth.S3SigV4Auth(Credentials("room", "word"), "s3", "eu-west-1").add_auth(theirs)
    ours = httpx.Request(method, url, headers=headers)
    next(SigV4("room", "word", "eu-west-1", now=lambda: at).auth_flow(ours))
    assert ours.headers["authorization"] == theirs.headers["Authorization"]

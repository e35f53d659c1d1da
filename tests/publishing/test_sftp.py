"""SFTP against OpenSSH's own server, through a proxy that cuts the connection."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cut_proxy import CutProxy
from publishing_contract import CHILD, Site, TargetContract, deliver

from publishing.target import TargetConfig, TargetError
from publishing.targets import create, sftp

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(SSHD is None, reason="OpenSSH's server (sshd) is not installed")


class OpenSsh(Site):
    """sshd for this user, with a host key and a client key of its own."""

    resumes = True
    chunk = sftp.AT_ONCE * (256 << 10)
    lecture_bytes = 2_000_000
    proxy: Any

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "lectures"
        self.files.mkdir()
        self.host = asyncssh.generate_private_key("ssh-ed25519")
        self.user = asyncssh.generate_private_key("ssh-ed25519")
        for name, key in (("host_key", self.host), ("user_key", self.user)):
            key.write_private_key(root / name)
            (root / name).chmod(0o600)
        (root / "authorized").write_bytes(self.user.export_public_key())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (root / "config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {root}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {root}/authorized\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        assert SSHD
        self.process = await asyncio.create_subprocess_exec(
            SSHD, "-D", "-e", "-f", str(self.root / "config"),
            stderr=(self.root / "log").open("ab"),
        )  # fmt: skip
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        assert self.process
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def config(self, **more: Any) -> TargetConfig:
        own = {
            "url": f"sftp://{self.proxy.host}:{self.proxy.port}{self.files}",
            "user": getpass.getuser(),
            "key": str(self.root / "user_key"),
            "host_key": self.host.export_public_key().decode().strip(),
        }
        return TargetConfig(id="archive", target="sftp", **{**own, **more})

    async def holdings(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for path in self.files.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(path.name, []).append(path.read_bytes())
        return found

    async def wipe(self) -> None:
        shutil.rmtree(self.files)
        self.files.mkdir()

    async def damage(self, name: str) -> None:
        (path,) = self.files.rglob(name)
        path.write_bytes(path.read_bytes()[:-1] + b"?")


class TestSftp(TargetContract):
    @pytest.fixture
    async def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenSsh]:
        monkeypatch.setattr(sftp, "BLOCK", 256 << 10)
        site = OpenSsh(tmp_path)
        await site.start()
        site.proxy = CutProxy(("127.0.0.1", site.port))
        await site.proxy.start()
        yield site
        await site.proxy.stop()
        await site.stop()

    async def test_cut_anywhere(self, site: OpenSsh, folder: Path) -> None:
        await deliver(folder, self.kept(site), tries=1)
        whole = site.proxy.body_bytes
        for at in [10, 2_000, *range(100_000, whole, 300_000), whole - 4000, whole - 300]:
            await self.fresh(site, folder)
            site.proxy.cuts = [at]
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            assert site.proxy.body_bytes <= whole * 1.05 + site.chunk + 20_000

    async def test_done_but_the_answer_is_lost(self, site: OpenSsh, folder: Path) -> None:
        await deliver(folder, self.kept(site), tries=1)
        whole = site.proxy.body_bytes
        for at in [5_000, 500_000, *range(whole - 4_000, whole, 400)]:
            await self.fresh(site, folder)
            site.proxy.cuts, site.proxy.loses = [at], True
            await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))
            assert site.proxy.body_bytes <= whole * 1.05 + site.chunk + 20_000

    async def test_cut_again_and_again(self, site: OpenSsh, folder: Path) -> None:
        site.proxy.cuts = [700_000] * 5
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_the_server_restarts_in_the_middle(self, site: OpenSsh, folder: Path) -> None:
        site.proxy.cuts = [900_000]
        assert (await deliver(folder, self.kept(site), tries=1)).state == "retrying"
        await site.restart()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_killed_while_it_sends(self, site: OpenSsh, folder: Path) -> None:
        config = site.config(products=site.products, bandwidth=[
            {"from": "00:00", "until": "12:00", "mbit_s": 16},
            {"from": "12:00", "until": "00:00", "mbit_s": 16}])  # fmt: skip
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), str(folder),
            json.dumps(config.model_dump(mode="json", by_alias=True)),
            env={**os.environ, "PYTHONPATH": str(CHILD.parents[2])},
        )  # fmt: skip
        reached = asyncio.Event()
        site.proxy.on_bytes = lambda count: reached.set() if count > 200_000 else None
        async with asyncio.timeout(60):
            await reached.wait()
        child.kill()
        await child.wait()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_damage_is_noticed_and_repaired(self, site: OpenSsh, folder: Path) -> None:
        await deliver(folder, self.kept(site), tries=1)
        record = folder / "deliveries" / "archive.json"
        record.write_text(record.read_text().replace('"verified"', '"retrying"'))
        await site.damage("lecture.mp4")
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_another_host_key_is_not_trusted(self, site: OpenSsh, folder: Path) -> None:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        status = await deliver(folder, site.config(host_key=other))
        assert status.state == "failed"
        assert "another host key" in status.detail

    async def test_a_wrong_key_is_blocked(self, site: OpenSsh, folder: Path) -> None:
        (site.root / "authorized").write_text("")
        status = await deliver(folder, site.config())
        assert status.state == "failed"
        assert "[[publish]] archive" in status.remedy

    async def test_a_missing_folder_is_named(self, site: OpenSsh, folder: Path) -> None:
        url = f"sftp://{site.proxy.host}:{site.proxy.port}{site.files}/missing"
        status = await deliver(folder, site.config(url=url))
        assert (status.state, "missing" in status.detail) == ("failed", True)

    async def test_a_full_disk_is_told_by_the_file_system(
        self, site: OpenSsh, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(*_: Any) -> None:
            raise asyncssh.SFTPFailure("Failure")

        monkeypatch.setattr(asyncssh.SFTPClientFile, "write", refuse)
        assert (await deliver(folder, site.config(), tries=1)).state == "retrying"
        monkeypatch.setattr(sftp, "BLOCK", 1 << 60)
        status = await deliver(folder, site.config(), tries=1)
        assert (status.state, status.detail) == ("failed", "The SFTP server's disk is full.")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"url": "ssh://x", "key": "/k"}, "sftp://"),
        ({"url": "sftp://u:p@x", "key": "/k"}, "`secret`"),
        ({"url": "sftp://x"}, "`key` or `secret`"),
        ({"url": "sftp://x", "key": "/k", "host_key": None}, "host_key"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, Any], told: str) -> None:
    own = {"user": "room", "host_key": "ssh-ed25519 AAAA", **keys}
    with pytest.raises(TargetError) as error:
        create(TargetConfig(id="archive", target="sftp", **own))
    assert told in str(error.value)

"""Delivering a large file, against rclone doing the same to the same server in the same run.

WebDAV goes to rclone's own server, SFTP to OpenSSH's, S3 to moto's; source and destination lie in
memory, so that neither disk nor network is measured. Both go in turn, three times; what is told is
the median. Ratios are rclone's time to ours: above 1 is faster than rclone. `cpu_s_per_gb` is what
the delivering process takes of the processor, which tells the same on a machine that is busy with
other things; `memory_mb` is its peak. CLASSROOMD_BENCH_MB sets the size, CLASSROOMD_BENCH_TURNS how
often.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

MIB = 1 << 20
SIZE = int(os.environ.get("CLASSROOMD_BENCH_MB", "2048")) * MIB
TURNS = int(os.environ.get("CLASSROOMD_BENCH_TURNS", "3"))
S3_SIZE = min(SIZE, 512 * MIB)  # moto keeps objects in memory, and more than once;
# rclone asks it for a version `null`, which it refuses, so rclone's last look is left out


class Cost(NamedTuple):
    """What one delivery took: seconds, processor seconds, peak MiB."""

    seconds: float
    cpu_s: float
    memory_mb: float


class Site(NamedTuple):
    """A server: our target's configuration, rclone's address, and how it is emptied."""

    config: dict[str, Any]
    remote: str
    clear: Callable[[], object]


def run() -> dict[str, float | None]:
    """Rates and ratios for WebDAV, SFTP and S3; None where the peer is not installed."""
    figures: dict[str, float | None] = {}
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        for name, serve in (("webdav", _webdav), ("sftp", _sftp), ("s3", _s3)):
            size = S3_SIZE if name == "s3" else SIZE
            turns: list[tuple[Cost, Cost]] = []
            try:
                with serve(Path(folder)) as site:
                    for turn in range(TURNS):
                        # A new place: servers remember for a while what was there.
                        config = {**site.config, "path": f"turn{turn}"}
                        ours = _deliver(Path(folder), config, size)
                        site.clear()
                        turns.append((ours, _rclone(Path(folder), site.remote, size)))
                        site.clear()
            except FileNotFoundError as missing:
                print(f"   {name}: {missing.filename or missing} is not installed")
            ratio = statistics.median(b.seconds / a.seconds for a, b in turns) if turns else None
            for who, costs in (("", [a for a, _ in turns]), ("_rclone", [b for _, b in turns])):
                if costs:
                    figures |= _told(f"{name}{who}", costs, size)
            figures[f"{name}_ratio"] = round(ratio, 3) if ratio else None
    return figures


def _told(name: str, costs: list[Cost], size: int) -> dict[str, float | None]:
    seconds = statistics.median(cost.seconds for cost in costs)
    cpu_s = statistics.median(cost.cpu_s for cost in costs)
    return {
        f"{name}_mb_s": round(size / MIB / seconds, 1),
        f"{name}_cpu_s_per_gb": round(cpu_s / size * 1e9, 2),
        f"{name}_memory_mb": round(max(cost.memory_mb for cost in costs)),
    }


def _deliver(folder: Path, config: dict[str, Any], size: int) -> Cost:
    """A delivery in a process of its own."""
    recording = folder / "recordings" / "2026-03-02_0800_bench_rec1"
    (recording / "products").mkdir(parents=True, exist_ok=True)
    lecture = recording / "products" / "lecture.mp4"
    _fill(lecture, size)
    manifest = {
        "id": "rec1", "session": "s", "room": "r", "title": "Benchmark", "boot_id": "b",
        "started": "2026-03-02T08:00:00Z", "boottime": 1.0, "life": "ready", "sources": [],
    }  # fmt: skip
    (recording / "recording.json").write_text(json.dumps(manifest))
    shutil.rmtree(recording / "deliveries", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.publishing", str(recording), json.dumps(config)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    if told["state"] != "verified":
        raise RuntimeError(f"the delivery did not arrive: {told}")
    return Cost(told["seconds"], told["cpu_s"], told["memory_mb"])


def _child(folder: Path, config: dict[str, Any]) -> None:
    from publishing.delivery import DeliveryWorker
    from publishing.target import TargetConfig

    worker = DeliveryWorker(folder.parent, [TargetConfig.model_validate(config)])
    begun, before = time.perf_counter(), time.process_time()
    status = asyncio.run(worker.deliver_once(folder, config["id"], tries=1))
    told = {
        "seconds": time.perf_counter() - begun,
        "cpu_s": time.process_time() - before,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "state": status.state,
        "detail": status.detail,
    }
    print(json.dumps(told))


def _rclone(folder: Path, remote: str, size: int) -> Cost:
    """`rclone copyto` of the same file."""
    source = folder / "recordings" / "2026-03-02_0800_bench_rec1" / "products" / "lecture.mp4"
    assert source.stat().st_size == size
    command = [
        _program("rclone"), "copyto", str(source), remote,
        "--ignore-times", "--no-traverse", "--retries", "1", "--config", os.devnull,
    ]  # fmt: skip
    begun = time.perf_counter()
    # rclone 1.60 cannot take a bundle of certificates, which the address here does not need.
    environment = {k: v for k, v in os.environ.items() if k != "AWS_CA_BUNDLE"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(said.decode()[-500:])
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(time.perf_counter() - begun, cpu_s, usage.ru_maxrss / 1024)


def _empty(store: Path) -> None:
    for path in store.iterdir():
        shutil.rmtree(path)


@contextlib.contextmanager
def _webdav(folder: Path) -> Iterator[Site]:
    store, port = folder / "dav", _port()
    store.mkdir()
    command = [_program("rclone"), "serve", "webdav", str(store), "--addr", f"127.0.0.1:{port}",
               "--config", os.devnull]  # fmt: skip
    with _server(command, port):
        url = f"http://127.0.0.1:{port}"
        config = {"id": "dav", "target": "webdav", "url": url, "proof": "size"}
        remote = f":webdav,url='{url}':theirs/lecture.mp4"
        yield Site(config, remote, lambda: _empty(store))
    shutil.rmtree(store)


@contextlib.contextmanager
def _sftp(folder: Path) -> Iterator[Site]:
    import asyncssh

    store, port = folder / "sftp", _port()
    store.mkdir()
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    for name, key in (("host", host), ("user", user)):
        key.write_private_key(folder / name)
        (folder / name).chmod(0o600)
    (folder / "authorized").write_bytes(user.export_public_key())
    (folder / "sshd.conf").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nUsePAM no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [_program("sshd"), "-D", "-e", "-f", str(folder / "sshd.conf")]
    with _server(command, port):
        config = {
            "id": "sftp", "target": "sftp", "url": f"sftp://127.0.0.1:{port}{store}",
            "user": getpass.getuser(), "key": str(folder / "user"), "proof": "size",
            "host_key": host.export_public_key().decode().strip(),
        }  # fmt: skip
        remote = (
            f":sftp,host=127.0.0.1,port={port},user={getpass.getuser()},key_file='{folder}/user',"
            f"shell_type=none,disable_hashcheck=true:{store}/theirs/lecture.mp4"
        )
        yield Site(config, remote, lambda: _empty(store))
    shutil.rmtree(store)


@contextlib.contextmanager
def _s3(folder: Path) -> Iterator[Site]:
    import boto3

    port, secret = _port(), folder / "secret"
    secret.write_text("word")
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p",
               str(port)]  # fmt: skip
    with _server(command, port):
        url = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="room",
            aws_secret_access_key="word",
        )  # fmt: skip
        client.create_bucket(Bucket="lectures")
        config = {
            "id": "s3", "target": "s3", "url": url, "bucket": "lectures", "user": "room",
            "secret": f"file:{secret}",
        }  # fmt: skip
        remote = (
            f":s3,provider=Other,endpoint='{url}',access_key_id=room,secret_access_key=word,"
            "force_path_style=true,no_check_bucket=true,no_head=true,region=us-east-1:lectures/theirs/lecture.mp4"
        )

        def clear() -> None:
            for one in client.list_objects_v2(Bucket="lectures").get("Contents", []):
                client.delete_object(Bucket="lectures", Key=one["Key"])

        yield Site(config, remote, clear)


@contextlib.contextmanager
def _server(command: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.kill()


def _program(name: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if found := shutil.which(name, path=path):
        return found
    raise FileNotFoundError(2, "not installed", name)


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _fill(path: Path, size: int) -> None:
    if path.exists() and path.stat().st_size == size:
        return
    block = os.urandom(MIB)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), json.loads(sys.argv[2]))

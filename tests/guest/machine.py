"""A virtual machine with capture devices that this one lacks, on this machine's own files.

`python tests/guest/machine.py` fetches Debian's kernel (nothing is installed from it), boots it in
QEMU with this machine's root as its own, read-only over 9p, and runs the tests marked `guest` in
it: `vivid` is the capture card, `snd-aloop` the sound card, `v4l2loopback` (Debian's source, built
here against that kernel) cameras that send what a program writes to them; clocks may be set. It
ends with pytest's status. `ACCEL=kvm` is faster where KVM works; without it the CPU is emulated.
"""

from __future__ import annotations

import gzip
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / ".guest"
EARLY = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "ext4")
EXIT = "GUEST ENDED WITH "

# Before the root is there: modules, then this machine's root as the guest's.
INIT = """#!/busybox sh
b=/busybox
$b mount -t proc proc /proc; $b mount -t devtmpfs dev /dev; $b mount -t sysfs sys /sys
for m in /modules/*; do $b insmod $m; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose root /root
for d in proc sys dev; do $b mount --move /$d /root/$d; done
exec $b switch_root /root /bin/sh -c "$($b cat /script)"
"""

# In the guest: what a running system has, the devices, the command, the end.
SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs run /run; mkdir -p /run/tmp /dev/shm; mount -t tmpfs shm /dev/shm
export TMPDIR=/run/tmp HOME=/run CLASSROOMD_GUEST={kernel} PYTHONDONTWRITEBYTECODE=1
ip link set lo up
modprobe -d {kernel} vivid n_devs=1
modprobe -d {kernel} snd-aloop
modprobe -d {kernel} v4l2loopback video_nr=10,11,12 exclusive_caps=1,1,1
cd {root}
{command}
echo "{exit}$?"
echo o >/proc/sysrq-trigger
sleep 60
"""


def kernel() -> Path:
    """The folder with Debian's newest kernel: `boot/vmlinuz-…` and `lib/modules/…`."""
    if not list(KERNEL.glob("boot/vmlinuz-*")):
        KERNEL.mkdir(exist_ok=True)
        said = subprocess.check_output(["apt-cache", "depends", "linux-image-amd64"], text=True)
        _fetch(next(word for word in said.split() if word.startswith("linux-image-6")))
    [modules] = (KERNEL / "lib" / "modules").iterdir()
    made = modules / "extra" / "v4l2loopback.ko"
    if not made.exists():
        try:
            _build_loopback(modules.name, made)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no v4l2loopback ({error}); newer headers? rm -r {KERNEL}", flush=True)
        (modules / "modules.dep").unlink(missing_ok=True)
    if not (modules / "modules.dep").exists():
        subprocess.run(["/sbin/depmod", "-b", str(KERNEL), modules.name], check=True)
    return KERNEL


def _fetch(*names: str) -> None:
    """Unpacks Debian packages beside the kernel."""
    subprocess.run(["apt-get", "download", "-qq", *names], cwd=KERNEL, check=True)
    for package in KERNEL.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(KERNEL)], check=True)
        package.unlink()


def _build_loopback(version: str, made: Path) -> None:
    """Compiles v4l2loopback for the kernel; its tests are skipped where that cannot be done."""
    if lacking := [name for name in ("make", "gcc-12") if shutil.which(name) is None]:
        raise FileNotFoundError(2, f"apt install {' '.join(lacking)}")
    series, common = ".".join(version.split(".")[:2]), version.replace("amd64", "common")
    headers = KERNEL / "usr" / "src" / f"linux-headers-{version}"
    _fetch(headers.name, f"linux-headers-{common}", f"linux-kbuild-{series}", "v4l2loopback-dkms")
    # As packaged it refers to where the headers would be installed.
    rest = headers.with_name(f"linux-headers-{common}")
    (headers / "Makefile").write_text(f"include {rest}/Makefile\n")
    [source] = headers.parent.glob("v4l2loopback-*")
    build = ["make", "-s", "-C", str(headers), f"M={source}", "modules"]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    made.parent.mkdir(exist_ok=True)
    shutil.copy(source / "v4l2loopback.ko", made)


def _modules(folder: Path) -> Iterator[Path]:
    """The modules that are needed before there is a root, in their order, each once."""
    [version] = (folder / "lib" / "modules").iterdir()
    found: dict[Path, None] = {}
    for name in EARLY:
        show = ["/sbin/modprobe", "-d", str(folder), "-S", version.name, "--show-depends", name]
        for line in subprocess.check_output(show, text=True).splitlines():
            kind, _, path = line.partition(" ")
            if kind == "insmod":
                found[Path(path.strip())] = None
    yield from found


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An initramfs: a cpio archive in "newc" form (Linux, driver-api/early-userspace).

    `files` are mode and content by name.
    """
    out = bytearray()

    def entry(name: str, mode: int, data: bytes) -> None:
        fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out.extend(b"070701" + b"".join(b"%08X" % value for value in fields))
        for part in (name.encode() + b"\0", data):
            out.extend(part)
            out.extend(bytes(-len(out) % 4))

    for name, (mode, data) in files.items():
        entry(name, mode, data)
    entry("TRAILER!!!", 0, b"")
    return gzip.compress(bytes(out), 1)


def initramfs(command: Sequence[str]) -> bytes:
    """What the guest begins with in order to run `command` in the repository."""
    folder = kernel()
    script = SCRIPT.format(
        kernel=shlex.quote(str(folder)),
        root=shlex.quote(str(ROOT)),
        command=shlex.join(command),
        exit=EXIT,
    )
    files = dict.fromkeys(("proc", "dev", "sys", "root", "modules"), (0o040755, b""))
    files["busybox"] = (0o100755, Path("/bin/busybox").read_bytes())
    files["init"] = (0o100755, INIT.encode())
    files["script"] = (0o100644, script.encode())
    for number, path in enumerate(_modules(folder)):
        files[f"modules/{number:02d}-{path.name}"] = (0o100644, path.read_bytes())
    return archive(files)


def boot(start: Path, *options: str) -> subprocess.Popen[str]:
    """Starts the guest on the initramfs `start`; its console is the process's output."""
    [image] = kernel().glob("boot/vmlinuz-*")
    accelerator = os.environ.get("ACCEL") or "tcg,thread=multi"
    command = ["qemu-system-x86_64", "-accel", accelerator, "-cpu", "max", "-smp", "2"]
    command += ["-m", "2048", "-nographic", "-no-reboot", "-nic", "none"]
    command += ["-kernel", str(image), "-initrd", str(start)]
    command += ["-append", "console=ttyS0 quiet panic=-1"]
    share = "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"
    command += ["-virtfs", share, *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def run(command: Sequence[str], *options: str) -> int:
    """Runs `command` in a guest, shows its console, and returns the command's status."""
    status = 70
    with tempfile.TemporaryDirectory() as scratch:
        start = Path(scratch) / "initramfs"
        start.write_bytes(initramfs(command))
        with boot(start, *options) as machine:
            assert machine.stdout is not None
            try:
                for line in machine.stdout:
                    if line.startswith(EXIT):
                        status = int(line.removeprefix(EXIT))
                        continue
                    print(line, end="", flush=True)
            finally:
                machine.kill()
    return status


def main() -> int:
    """Runs the guest's tests; further arguments go to pytest."""
    tests = [sys.executable, "-m", "pytest", "-m", "guest", str(Path(__file__).parent)]
    return run([*tests, "-p", "no:cacheprovider", "-v", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())

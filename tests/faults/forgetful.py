"""A file system that forgets at a power cut what was not synced: `python forgetful.py MOUNT`.

Speaks the kernel's FUSE protocol (linux/fuse.h, version 7.31) itself and keeps everything in
memory, twice: as programs see it, and as a disk would have it. File contents reach the disk by
fsync or fdatasync, the names in a directory only by fsync of that directory. Needs root.

Prints `{"ready": true}`, then answers each line of standard input with a line:

- `{"cut": SEED, "into": FOLDER, "seen": FOLDER}` writes what a power cut at that moment leaves into
  one folder, and what programs saw into the other. With a SEED some unsynced writes are kept, in
  no order, as a disk does it; with null none.
- `{"errno": N, "delay": S}` makes writes fail (0: no longer) and take so many seconds longer.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import select
import stat
import struct
import sys
import time
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path


class Op(IntEnum):
    """What the kernel asks for (fuse_opcode)."""

    LOOKUP, FORGET, GETATTR, SETATTR = 1, 2, 3, 4
    MKDIR, UNLINK, RMDIR, RENAME = 9, 10, 11, 12
    OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH = 14, 15, 16, 17, 18, 20, 25
    INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 26, 27, 28, 29, 30
    CREATE, INTERRUPT, DESTROY, BATCH_FORGET, RENAME2 = 35, 36, 38, 42, 45


_IN, _OUT = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
_ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
_BIG_WRITES = 1 << 5
_BUFFER = 1 << 20


@dataclass
class Node:
    """A file or a directory; `disk…` is what would be left of it."""

    number: int
    mode: int
    data: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list)
    names: dict[str, Node] = field(default_factory=dict)
    disk_names: dict[str, Node] = field(default_factory=dict)
    changed: float = field(default_factory=time.time)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def change(self, offset: int, data: bytes | None) -> None:
        """Writes `data` at `offset`, or (None) sets the size."""
        _apply(self.data, offset, data)
        self.unsynced.append((offset, data))
        self.changed = time.time()

    def sync(self) -> None:
        if self.is_directory:
            self.disk_names = dict(self.names)
            return
        for offset, data in self.unsynced:
            _apply(self.disk, offset, data)
        self.unsynced.clear()

    def left(self, chance: random.Random | None) -> bytes:
        """What a power cut leaves of the file."""
        content = bytearray(self.disk)
        for offset, data in self.unsynced:
            if chance is not None and chance.random() < 0.5:
                _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    end = offset + len(data or b"")
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


class RefusedError(Exception):
    """A request is answered with this errno."""


class Forgetful:
    """Answers the kernel's requests."""

    def __init__(self) -> None:
        self.root = Node(1, stat.S_IFDIR | 0o755)
        self._nodes = {1: self.root}
        self._owner = (os.geteuid(), os.getegid())
        self.errno, self.delay = 0, 0.0

    def answer(self, request: bytes) -> bytes | None:
        _, kind, unique, number, *_ = _IN.unpack_from(request)
        if kind in (Op.FORGET, Op.BATCH_FORGET, Op.INTERRUPT, Op.DESTROY):
            return None
        try:
            body = self._carry_out(kind, self._nodes.get(number), request[_IN.size :])
            code = 0
        except RefusedError as failure:
            body, code = b"", -failure.args[0]
        return _OUT.pack(_OUT.size + len(body), code, unique) + body

    def _carry_out(self, kind: int, node: Node | None, body: bytes) -> bytes:
        if kind == Op.INIT:
            ahead, flags = struct.unpack_from("<II", body, 8)
            told = (7, 31, ahead, flags & _BIG_WRITES, 16, 12, 128 << 10, 1, 0, 0, 0)
            return struct.pack("<IIIIHHIIHHI", *told) + bytes(28)
        if node is None:
            raise RefusedError(errno.ENOENT)
        match kind:
            case Op.GETATTR:
                return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
            case Op.SETATTR:
                return self._set(node, body)
            case Op.LOOKUP:
                return self._entry(self._child(node, _name(body)))
            case Op.MKDIR:
                return self._entry(self._make(node, _name(body[8:]), stat.S_IFDIR, body))
            case Op.CREATE:
                made = self._make(node, _name(body[16:]), stat.S_IFREG, body[4:])
                return self._entry(made) + bytes(16)
            case Op.UNLINK | Op.RMDIR:
                self._remove(node, _name(body), directory=kind == Op.RMDIR)
            case Op.RENAME | Op.RENAME2:
                start = 8 if kind == Op.RENAME else 16
                old, new = (part.decode() for part in body[start:].split(b"\0")[:2])
                target = self._nodes[struct.unpack_from("<Q", body)[0]]
                moved = self._child(node, old)
                del node.names[old]
                target.names[new] = moved
            case Op.OPEN | Op.OPENDIR:
                return bytes(16)
            case Op.READ:
                _, offset, size = struct.unpack_from("<QQI", body)
                return bytes(node.data[offset : offset + size])
            case Op.WRITE:
                _, offset, size = struct.unpack_from("<QQI", body)
                time.sleep(self.delay)
                if self.errno:
                    raise RefusedError(self.errno)
                node.change(offset, body[40 : 40 + size])
                return struct.pack("<II", size, 0)
            case Op.STATFS:
                blocks = 1 << 20
                sizes = struct.pack("<QQQQQIII", *[blocks] * 3, 1 << 20, 1 << 20, 4096, 255, 4096)
                return sizes + bytes(28)
            case Op.FSYNC | Op.FSYNCDIR:
                node.sync()
            case Op.READDIR:
                return self._list(node, *struct.unpack_from("<QI", body, 8))
            case Op.RELEASE | Op.FLUSH | Op.RELEASEDIR:
                pass
            case _:
                raise RefusedError(errno.ENOSYS)
        return b""

    def _child(self, node: Node, name: str) -> Node:
        if name not in node.names:
            raise RefusedError(errno.ENOENT)
        return node.names[name]

    def _make(self, node: Node, name: str, kind: int, body: bytes) -> Node:
        if name in node.names:
            raise RefusedError(errno.EEXIST)
        mode, mask = struct.unpack_from("<II", body)
        made = Node(max(self._nodes) + 1, kind | (mode & 0o7777 & ~mask))
        self._nodes[made.number] = node.names[name] = made
        return made

    def _remove(self, node: Node, name: str, *, directory: bool) -> None:
        child = self._child(node, name)
        if directory and child.names:
            raise RefusedError(errno.ENOTEMPTY)
        del node.names[name]

    def _set(self, node: Node, body: bytes) -> bytes:
        valid, size = struct.unpack_from("<I12xQ", body)
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | struct.unpack_from("<I", body, 68)[0] & 0o7777
        if valid & 8:
            node.change(len(node.data), b"\0" * max(0, size - len(node.data)))
            node.change(size, None)
        return struct.pack("<QII", 0, 0, 0) + self._attributes(node)

    def _attributes(self, node: Node) -> bytes:
        size, when = len(node.data), int(node.changed)
        times = (when, when, when, 0, 0, 0)
        links = 2 if node.is_directory else 1
        rest = (node.mode, links, *self._owner, 0, 4096, 0)
        return _ATTR.pack(node.number, size, -(-size // 512), *times, *rest)

    def _entry(self, node: Node) -> bytes:
        return struct.pack("<QQQQII", node.number, 0, 0, 0, 0, 0) + self._attributes(node)

    def _list(self, node: Node, offset: int, size: int) -> bytes:
        out = b""
        for place, (name, child) in enumerate(list(node.names.items())):
            raw = name.encode()
            entry = struct.pack("<QQII", child.number, place + 1, len(raw), child.mode >> 12) + raw
            entry += bytes(-len(entry) % 8)
            if place >= offset and len(out) + len(entry) <= size:
                out += entry
            elif place >= offset:
                break
        return out

    def cut(self, into: Path, seen: Path | None, seed: int | None) -> None:
        chance = None if seed is None else random.Random(seed)

        def on_disk(node: Node, folder: Path) -> None:
            folder.mkdir(mode=0o750)
            for name, child in node.disk_names.items():
                if child.is_directory:
                    on_disk(child, folder / name)
                else:
                    (folder / name).write_bytes(child.left(chance))

        def as_seen(node: Node, folder: Path) -> None:
            folder.mkdir(mode=0o750)
            for name, child in node.names.items():
                if child.is_directory:
                    as_seen(child, folder / name)
                else:
                    (folder / name).write_bytes(child.data)

        on_disk(self.root, into)
        if seen is not None:
            as_seen(self.root, seen)


def _name(body: bytes) -> str:
    return body.split(b"\0", 1)[0].decode()


def _mount(device: int, folder: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
    if libc.mount(b"forgetful", folder.encode(), b"fuse.forgetful", 2 | 4, options.encode()):
        code = ctypes.get_errno()
        raise OSError(code, f"cannot be mounted: {os.strerror(code)}")


def main() -> int:
    folder = sys.argv[1]
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    _mount(device, folder)
    system = Forgetful()
    orders = b""
    print(json.dumps({"ready": True}), flush=True)
    while True:
        ready, _, _ = select.select([device, 0], [], [])
        if 0 in ready:
            if not (chunk := os.read(0, 65536)):
                break
            *lines, orders = (orders + chunk).split(b"\n")
            for line in lines:
                told = json.loads(line)
                if "cut" in told:
                    seen = told.get("seen")
                    system.cut(Path(told["into"]), seen and Path(seen), told["cut"])
                else:
                    system.errno, system.delay = told["errno"], told["delay"]
                print(json.dumps({"done": True}), flush=True)
        if device in ready:
            try:
                request = os.read(device, _BUFFER)
            except OSError as error:
                if error.errno == errno.ENODEV:  # it was unmounted
                    break
                continue
            if (reply := system.answer(request)) is not None:
                try:
                    os.write(device, reply)
                except OSError as error:
                    if error.errno != errno.ENOENT:  # else the request was interrupted
                        raise
    ctypes.CDLL(None).umount2(folder.encode(), 2)
    return 0


if __name__ == "__main__":
    os._exit(main())

"""The places a recording can go; one module each, found by its name.

Adding one: a module with one class that derives from `publishing.target.Target`, one line here,
and one test class that inherits the contract.
"""

from __future__ import annotations

import importlib

from publishing.target import ErrorKind, Target, TargetConfig, TargetError

_CLASSES = {
    "canvas": "Canvas",
    "folder": "Folder",
    "kaltura": "Kaltura",
    "moodle": "Moodle",
    "nextcloud": "Nextcloud",
    "opencast": "Opencast",
    "panopto": "Panopto",
    "peertube": "PeerTube",
    "s3": "S3",
    "sftp": "Sftp",
    "tus": "Tus",
    "webdav": "WebDav",
    "youtube": "YouTube",
}


def names() -> list[str]:
    """Every kind of target."""
    return sorted(_CLASSES)


def kind(name: str) -> type[Target]:
    """The class behind a target's name; its module is loaded now. Raises TargetError."""
    if name not in _CLASSES:
        raise TargetError(
            ErrorKind.PERMANENT,
            f"There is no kind of target called {name!r}.",
            f"Choose one of: {', '.join(names())}.",
        )
    try:
        module = importlib.import_module(f"publishing.targets.{name}")
    except ModuleNotFoundError as error:
        raise TargetError(
            ErrorKind.BLOCKED,
            f"The target {name} needs the package {error.name}, which is not installed.",
            f"Install it: pip install 'classroomd[{name}]'.",
        ) from error
    found: type[Target] = getattr(module, _CLASSES[name])
    return found


def create(config: TargetConfig) -> Target:
    """The target of one `[[publish]]` table. Raises TargetError that names the wrong key."""
    return kind(config.target)(config)

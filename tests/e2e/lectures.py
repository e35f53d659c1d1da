"""What FFmpeg, as an independent reader, says of a finished lecture."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of a file, after decoding it to its end without an error."""
    decoded = subprocess.run(
        [
            *["ffmpeg", "-v", "error", "-xerror", "-i"],
            str(path),
            *["-vsync", "0", "-enc_time_base", "-1", "-f", "null", "-"],
        ],
        capture_output=True,
        check=False,
    )
    assert decoded.returncode == 0, decoded.stderr.decode()
    assert not decoded.stderr, decoded.stderr.decode()
    said = subprocess.run(
        [
            *[
                "ffprobe",
                "-v",
                "error",
                "-of",
                "json",
                "-show_format",
                "-show_streams",
                "-show_chapters",
            ],
            str(path),
        ],
        capture_output=True,
        check=True,
    )
    return dict(json.loads(said.stdout))

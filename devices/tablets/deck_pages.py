"""Child process: renders a PDF's pages to WebP and prints one JSON line per page.

`python -m devices.tablets.deck_pages FILE FOLDER DECK`. Needs pypdfium2 (the extra `decks`).
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

WIDTH = 1600
MAX_PAGES = 500
MAX_MEMORY = 3 << 30
QUALITY = 82


def _say(**line: object) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def render(file: Path, folder: Path, deck: str) -> None:
    """Writes `<deck>-<n>.webp`, at most WIDTH pixels on the longer side, and says what they are."""
    import cv2
    import pypdfium2  # type: ignore[import-untyped]

    try:
        document = pypdfium2.PdfDocument(file)
    except pypdfium2.PdfiumError as error:
        _say(error=f"This is no PDF that can be read ({error}). Export it again, without password.")
        return
    if len(document) > MAX_PAGES:
        _say(error=f"The deck has {len(document)} pages; {MAX_PAGES} are shown at most. Split it.")
        return
    for number in range(len(document)):
        page = document[number]
        width, height = page.get_size()
        scale = min(WIDTH / max(width, height, 1.0), 8.0)
        picture = page.render(scale=scale, rev_byteorder=False).to_numpy()
        name = f"{deck}-{number + 1}"
        if not cv2.imwrite(
            str(folder / f"{name}.webp"), picture[:, :, :3], [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
        ):
            _say(error="The pages cannot be written. Check the disk.")
            return
        text = page.get_textpage().get_text_range()[:20_000].replace("\r\n", "\n").strip()
        title = next((line.strip() for line in text.splitlines() if line.strip()), "")
        _say(
            id=name,
            width=picture.shape[1],
            height=picture.shape[0],
            title=title[:200],
            text=text,
        )


def main() -> None:
    """Sets limits, then renders."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    file, folder, deck = sys.argv[1:4]
    try:
        render(Path(file), Path(folder), deck)
    except ImportError:
        _say(error='This room cannot read PDFs. Install "classroomd[decks]".')
    except MemoryError:
        _say(error="The file needs too much memory. Export it as a simpler PDF.")


if __name__ == "__main__":
    main()

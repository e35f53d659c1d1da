"""Cuts made after class, carried out: the lecture and everything that tells its time.

`python -m recorder.production.trim FOLDER [--erase]` brings the products to the cuts that stand
in the markers. The new files are made beside the old ones and put in their place together; ended
at any moment, the next start goes on. The tracks are untouched, and what the products were before
the first cut is kept in `products/parts/uncut/`, so that all cuts can be taken back. With
`--erase` neither is kept: see `recorder.production.erase`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from recorder.engines.chapters import Chapter
from recorder.production import captions, cutting, erase, package, process, vtt
from recorder.production.timeline import Timeline, timeline
from recorder.products import Kind, Product, products
from recorder.program import PARTS
from recorder.recording import Recording, RecordingError, write_durably
from recorder.spans import Span, class_spans

US = 1_000_000
STATE = "trim.json"
UNCUT = "uncut"
_NEW = "trim.new"
_CUE_LOSS_S = 0.25  # a cue that loses more of its time to a cut goes with it
# What follows by being moved; what of the rest is kept; everything else is made again.
_MOVED = (Kind.LECTURE, Kind.CAPTIONS, Kind.TRANSCRIPT, Kind.CHAPTERS, Kind.SLIDES, Kind.SLIDE)
_KEPT = (Kind.METADATA, Kind.LINK)
_SOUND = "sound.json"

Progress = Callable[[float, float], None]


class Move:
    """From the lecture's seconds as the products have them to those that are wanted."""

    def __init__(self, old: Sequence[Span], new: Sequence[Span]) -> None:
        self.old = list(old)
        self.line = Timeline(new)

    def spans(self, begin: float, end: float) -> list[Span]:
        """What of `begin` to `end` is kept, in new seconds."""
        found = []
        for first, last in class_spans(self.old, begin, end):
            for kept, until in self.line.spans:
                a, b = max(first, kept), min(last, until)
                if b > a:
                    found.append((self.line.lecture(a), self.line.lecture(a) + b - a))
        return found

    def keep(self) -> list[Span]:
        """The spans of the old lecture that make up the new one, in old seconds."""
        old = Timeline(self.old)
        found: list[Span] = []
        for begin, end in self.line.spans:
            for kept, until in self.old:
                a, b = max(begin, kept), min(end, until)
                if b - a <= 1e-6:
                    continue
                at = old.lecture(a)
                if found and abs(found[-1][1] - at) < 1e-6:
                    found[-1] = (found[-1][0], at + b - a)
                else:
                    found.append((at, at + b - a))
        return found

    def only_less(self) -> bool:
        """Whether nothing is wanted that the products do not have."""
        length = sum(end - begin for begin, end in self.keep())
        return length > self.line.duration - 0.01


def uncut_spans(recording: Recording) -> list[Span]:
    """What the lecture keeps when no cut is made (class seconds)."""
    return timeline(recording, uncut=True).spans


def applied(recording: Recording) -> list[Span]:
    """The class spans that the products show now."""
    state = _state(recording)
    if spans := state.get("spans"):
        return [(float(a), float(b)) for a, b in spans]
    return uncut_spans(recording)


def trim(
    recording: Recording,
    *,
    erasing: bool = False,
    owned: bool = False,
    progress: Progress = lambda done, total: None,
) -> bool:
    """Brings the products to the cuts that stand; False when they have them already.

    `erasing` destroys what is to be erased in the tracks too, and every cut made so far becomes
    final in the products. `owned` leaves it to the caller to say that the change is over. Raises
    RecordingError when nothing would be left, or there is no lecture.
    """
    _commit(recording)
    wanted = timeline(recording).spans
    old = applied(recording)
    if changed := _differ(old, wanted):
        if sum(end - begin for begin, end in wanted) < 1.0:
            raise RecordingError(f"{recording.folder.name}: nothing would be left of the lecture")
        if not recording.lecture.exists():
            raise RecordingError(f"{recording.folder.name}: there is no lecture to cut")
        _apply(recording, old, wanted, progress)
    if erasing:
        erase.destroy(recording)
        shutil.rmtree(recording.products / PARTS / UNCUT, ignore_errors=True)
    state = _state(recording)
    if erasing or not state.get("packaged", True):
        package.package(recording, whole=_was_whole(recording))
        _write_state(recording, {**state, "packaged": True})
    _note(recording, over=not owned)
    return changed


def _apply(recording: Recording, old: list[Span], wanted: list[Span], progress: Progress) -> None:
    parts = recording.products / PARTS
    move, source = Move(old, wanted), recording.products
    uncut = parts / UNCUT
    if not move.only_less():
        if not uncut.is_dir():
            raise RecordingError(
                f"{recording.folder.name}: what was cut is kept nowhere; "
                f"`classroomd produce {recording.folder.name} --rebuild` makes the lecture again"
            )
        move, source = Move(uncut_spans(recording), wanted), uncut
    elif not uncut.is_dir():
        _keep_uncut(recording, uncut)
    new = parts / _NEW
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    whole = not _differ(wanted, uncut_spans(recording))
    if whole:
        shutil.copytree(uncut, new, copy_function=_link, dirs_exist_ok=True)
    else:
        _make(recording, move, source, new, progress)
    for file in new.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
    gone = [
        product.name
        for product in products(recording.folder, recording.manifest)
        if product.kind not in _KEPT and not (new / product.name).exists()
    ]
    state = {"spans": wanted, "commit": True, "gone": gone, "was_whole": _was_whole(recording)}
    _write_state(recording, state)
    _commit(recording)
    if whole:
        shutil.rmtree(uncut)


def _make(recording: Recording, move: Move, source: Path, new: Path, progress: Progress) -> None:
    manifest = recording.manifest
    lecture = source / recording.lecture.name
    told = [
        Chapter(round(spans[0][0] * US), title)
        for begin, end, title in _chapters(lecture)
        if (spans := move.spans(begin, end))
    ]
    cutting.cut(lecture, move.keep(), new / lecture.name, manifest.program, told, progress)
    for path in sorted(source.glob("captions.*.vtt")):
        language = path.name.split(".")[1]
        cues = list(_cues(path, move))
        write_durably(new / path.name, vtt.vtt(cues, language).encode())
        if (source / f"transcript.{language}.txt").exists():
            text = captions.paragraphs(cues)
            write_durably(new / f"transcript.{language}.txt", text.encode())
    if (source / "chapters.vtt").exists():
        named = [
            vtt.Cue(spans[0][0], spans[-1][1], cue.text)
            for cue in vtt.read((source / "chapters.vtt").read_text(encoding="utf-8"))
            if (spans := move.spans(cue.start, cue.end))
        ]
        write_durably(new / "chapters.vtt", vtt.vtt(named).encode())
    _slides(source, new, move)
    _silences(source, new, move)


def _chapters(lecture: Path) -> Iterator[tuple[float, float, str]]:
    with av.open(str(lecture)) as container:
        for one in container.chapters():
            base = one["time_base"] or Fraction(1)
            title = str(one["metadata"].get("title", ""))
            yield float(one["start"] * base), float(one["end"] * base), title


def _cues(path: Path, move: Move) -> Iterator[vtt.Cue]:
    """Cues at their new times; one that loses much to a cut would tell what was cut, and goes."""
    for cue in vtt.read(path.read_text(encoding="utf-8")):
        spans = move.spans(cue.start, cue.end)
        kept = sum(end - begin for begin, end in spans)
        if spans and cue.end - cue.start - kept <= _CUE_LOSS_S:
            yield vtt.Cue(spans[0][0], spans[-1][1], cue.text)


def _slides(source: Path, new: Path, move: Move) -> None:
    """Slides at their new times; one that is nowhere shown goes with its picture."""
    try:
        data = json.loads((source / "slides.json").read_bytes())
        slides = list(data["slides"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    kept: list[dict[str, Any]] = []
    for slide in slides:
        begin = float(slide["time"])
        later = (float(other["time"]) for other in slides if float(other["time"]) > begin)
        end = float(slide.get("end") or min(later, default=begin + 86_400))
        spans = move.spans(begin, end)
        if not spans:
            continue
        times = {"number": len(kept) + 1, "time": round(spans[0][0], 3)}
        if "end" in slide:
            times["end"] = round(spans[-1][1], 3)
        kept.append({**slide, **times})
        if picture := slide.get("picture"):
            (new / picture).parent.mkdir(exist_ok=True)
            _link(source / picture, new / picture)
    text = json.dumps({**data, "slides": kept}, indent=1, ensure_ascii=False)
    write_durably(new / "slides.json", text.encode())


def _silences(source: Path, new: Path, move: Move) -> None:
    try:
        data = json.loads((source / _SOUND).read_bytes())
        told = [(float(a), float(b)) for a, b in data["silences"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    data["silences"] = [(round(a, 3), round(b, 3)) for x, y in told for a, b in move.spans(x, y)]
    write_durably(new / _SOUND, json.dumps(data, indent=1).encode())


def _keep_uncut(recording: Recording, uncut: Path) -> None:
    """The products before the first cut, under a second name; it takes no room of its own."""
    fresh = uncut.with_name(f".{UNCUT}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for product in products(recording.folder, recording.manifest):
        if _moves(product):
            (fresh / product.name).parent.mkdir(exist_ok=True)
            _link(product.path, fresh / product.name)
    fresh.replace(uncut)


def _moves(product: Product) -> bool:
    return product.kind in _MOVED or product.name == _SOUND


def _link(source: str | Path, target: str | Path) -> None:
    """The same file under another name, or a copy where the disk cannot do that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _commit(recording: Recording) -> None:
    """Puts what was made in its place, and takes away what still shows what was cut."""
    state, new = _state(recording), recording.products / PARTS / _NEW
    if not state.get("commit"):
        return
    for file in sorted(new.rglob("*")) if new.is_dir() else ():
        if file.is_file():
            place = recording.products / file.relative_to(new)
            place.parent.mkdir(exist_ok=True)
            file.replace(place)
    for name in state.get("gone", []):
        (recording.products / name).unlink(missing_ok=True)
    # Derived files are made again because they are older than the lecture.
    os.utime(recording.lecture)
    shutil.rmtree(new, ignore_errors=True)
    kept = {key: state[key] for key in ("spans", "was_whole")}
    _write_state(recording, {**kept, "packaged": False})


def _note(recording: Recording, *, over: bool) -> None:
    line = timeline(recording)
    cut_s = timeline(recording, uncut=True).duration - line.duration
    measured = recording.manifest.measured | {"cut_s": round(cut_s, 3)}
    fields: dict[str, Any] = {"duration_s": round(line.duration, 3), "measured": measured}
    recording.update(**fields, **({"edit": None} if over else {}))


def _was_whole(recording: Recording) -> bool:
    known = bool(_state(recording).get("was_whole"))
    return known or (recording.products / "small.mp4").exists()


def _state(recording: Recording) -> dict[str, Any]:
    try:
        found = json.loads((recording.products / PARTS / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_state(recording: Recording, state: dict[str, Any]) -> None:
    path = recording.products / PARTS / STATE
    path.parent.mkdir(exist_ok=True)
    write_durably(path, json.dumps(state).encode())


def _differ(one: Sequence[Span], other: Sequence[Span]) -> bool:
    return len(one) != len(other) or any(
        abs(a - c) > 0.001 or abs(b - d) > 0.001 for (a, b), (c, d) in zip(one, other, strict=True)
    )


def main() -> int:
    """0 when the products have the cuts, 1 when they could not be made: the manifest says why."""
    parser = process.arguments("python -m recorder.production.trim", __doc__)
    parser.add_argument("--erase", action="store_true", help="destroy what was cut out")
    options = parser.parse_args()
    process.begin(options)
    told_to = json.load(sys.stdin) if options.settings else {}
    erasing = options.erase or bool(told_to.get("erase"))
    told = 0.0

    def progress(done: float, total: float) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= 0.5:
            told = now
            print(json.dumps({"event": "progress", "done": done, "total": total}), flush=True)

    recording = Recording.open(options.folder)
    with process.alone(recording, wait=True):
        try:
            trim(recording, erasing=erasing, owned=options.owner is not None, progress=progress)
        except (RecordingError, OSError, av.error.FFmpegError) as error:
            recording.update(edit={**(recording.manifest.edit or {}), "error": str(error)})
            print(json.dumps({"event": "error", "detail": str(error)}), flush=True)
            return 1
    print(json.dumps({"event": "finished"}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

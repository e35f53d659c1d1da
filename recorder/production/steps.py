"""The steps after class, each named, resumable, and skipped when it is up to date.

align → analyse → render → caption → draft → package. What a step was made of and what it made
stand in `products/parts/steps.json`: it is done again when its sources, its settings or its files
change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import av

from recorder import production_state, segments
from recorder.cartridge import published_at
from recorder.production import captions, drafts, mix, slides
from recorder.production.finish import finish
from recorder.production.master import master
from recorder.production.package import package
from recorder.production.process import alone
from recorder.production.settings import Settings
from recorder.production.timeline import timeline
from recorder.production.work import Job
from recorder.production.workforce import workers
from recorder.program import PARTS
from recorder.recording import MARKERS, Recording, RecordingError, write_durably

NAMES = ("align", "analyse", "render", "caption", "draft", "package")
STATE = "steps.json"
SOUND = "sound.json"
_VERSION = 1

Progress = Callable[[str, float, float], None]


@dataclass(frozen=True)
class StepResult:
    """How a step went: `done`, or `current` when there was nothing to do, with its files.

    `notices` say what could not be made here and what would be needed.
    """

    step: str
    outcome: Literal["done", "current"]
    files: list[Path] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass
class _Made:
    files: list[Path]
    notices: list[str] = field(default_factory=list)
    again: bool = False  # the next run tries again


def run(
    recording: Recording,
    only: str | None = None,
    progress: Progress = lambda step, done, total: None,
    settings: Settings | None = None,
) -> list[StepResult]:
    """Runs the steps, or only one of them, and notes what they made in the manifest.

    A run of all steps tells where it is in the recording's `ProductionState`.

    Raises RecordingError for an unknown step, for a class that is still going on, when another
    process is at work on the recording, or when the class left nothing; OSError and
    av.error.FFmpegError when a file cannot be read or written.
    """
    if only is not None and only not in NAMES:
        raise RecordingError(f"there is no step {only!r}; there are: {', '.join(NAMES)}")
    manifest = recording.manifest
    if manifest.life == "recording" and not recording.lecture.exists():
        ended = any(marker.kind == "end" for marker in recording.markers())
        if not ended:
            raise RecordingError(f"{recording.folder.name}: the class is still being recorded")
    told = settings or Settings()
    if not told.languages and manifest.language:
        told = replace(told, languages=(manifest.language,))
    with alone(recording):
        if only is not None:
            return list(_run(recording, [only], progress, told))
        wanted = NAMES if told.steps is None else [step for step in NAMES if step in told.steps]
        return _told(recording, wanted, progress, told)


def _told(
    recording: Recording, wanted: Sequence[str], progress: Progress, settings: Settings
) -> list[StepResult]:
    """Runs these steps and keeps the recording's production state."""
    folder = recording.folder
    production_state.change(folder, state="working", step="")

    def step_by_step(step: str, done: float, of: float) -> None:
        if done == 0.0:
            production_state.change(folder, step=step)
        progress(step, done, of)

    try:
        results = list(_run(recording, wanted, step_by_step, settings))
    except (RecordingError, OSError, av.error.FFmpegError) as error:
        known = production_state.load(folder)
        tries = known.tries + 1 if known else 1
        production_state.change(folder, state="failed", detail=str(error), tries=tries)
        raise
    notices = [notice for result in results for notice in result.notices]
    production_state.change(
        folder, state="done", step="", detail="", tries=0, next_try=None, notices=notices
    )
    return results


def _run(
    recording: Recording, wanted: Sequence[str], progress: Progress, settings: Settings
) -> Iterator[StepResult]:
    for step in wanted:
        key = _key(recording, step, settings)
        known = _state(recording).get(step, {})
        forced = step == "align" and settings.rebuild
        if not forced and known.get("key") == key and _stands(recording, known):
            files = [recording.products / name for name in known["files"]]
            yield StepResult(step, "current", files, known.get("notices", []))
            continue
        progress(step, 0.0, 1.0)
        made = _STEPS[step](recording, settings, lambda done, of, s=step: progress(s, done, of))
        _note(recording, step, "" if made.again else key, made)
        yield StepResult(step, "done", made.files, made.notices)


def _align(recording: Recording, settings: Settings, progress: Any) -> _Made:
    """One timeline and one lecture; what is missing is rendered from the tracks."""
    finished = finish(
        recording,
        rebuild=settings.rebuild,
        layout=settings.layout,
        progress=progress,
        using=workers(settings.engine),
    )
    return _Made([finished.path])


def _analyse(recording: Recording, settings: Settings, progress: Any) -> _Made:
    """Slides with pictures and text; what the sound is like and where it is silent."""
    shown = slides.find(recording, progress)
    shown, notices = slides.read(
        recording, shown, settings.languages, progress, workers(settings.engine)
    )
    slides.write(recording, shown, notices)
    line = timeline(recording)
    verdict = mix.judge(recording, line, progress)
    sound = recording.products / SOUND
    write_durably(sound, json.dumps({"version": 1, **asdict(verdict)}, indent=1).encode())
    pictures = [recording.products / slide.picture for slide in shown if slide.picture]
    return _Made([recording.products / slides.SLIDES, sound, *pictures], notices)


def _verdict(recording: Recording) -> mix.Verdict:
    try:
        data = json.loads((recording.products / SOUND).read_bytes())
        data.pop("version", None)
        data["silences"] = [tuple(span) for span in data["silences"]]
        return mix.Verdict(**data)
    except (OSError, ValueError, KeyError, TypeError):
        raise RecordingError(
            f"{recording.folder.name}: the sound was not analysed yet; run the step analyse first"
        ) from None


def _render(recording: Recording, settings: Settings, progress: Any) -> _Made:
    """The lecture's sound exactly, and chapters by the slides' titles; the picture is copied."""
    finish(recording)
    told = slides.named_chapters(recording, slides.known(recording))
    verdict = _verdict(recording)
    made = master(recording, timeline(recording), verdict, told, progress)
    measured = recording.manifest.measured | {
        "loudness_lufs": None if made.loudness is None else round(made.loudness, 2),
        "true_peak_dbtp": round(made.true_peak, 2),
    }
    recording.update(measured=measured)
    return _Made([recording.lecture])


def _caption(recording: Recording, settings: Settings, progress: Any) -> _Made:
    if settings.engine != "local":
        model = str(settings.model) if settings.model else None
        job = Job("caption", {"languages": list(settings.languages), "model": model}, gpu=True)
        (told,) = workers(settings.engine).map(recording.folder, [job], progress)
        return _Made([recording.products / name for name in told["files"]], told["notices"])
    try:
        made = captions.caption(
            recording,
            timeline(recording),
            settings.languages,
            model=settings.model,
            progress=progress,
        )
    except captions.CaptionError as notice:
        return _Made([], [str(notice)])
    return _Made(made.files)


def _draft(recording: Recording, settings: Settings, progress: Any) -> _Made:
    if settings.drafts is None:
        return _Made([])
    try:
        return _Made(drafts.draft(recording, settings.drafts, progress))
    except drafts.DraftError as notice:
        return _Made([], [str(notice)], again=True)


def _package(recording: Recording, settings: Settings, progress: Any) -> _Made:
    made = package(recording, whole=True)
    progress(1.0, 1.0)
    return _Made(made)


_STEPS: dict[str, Callable[[Recording, Settings, Any], _Made]] = {
    "align": _align,
    "analyse": _analyse,
    "render": _render,
    "caption": _caption,
    "draft": _draft,
    "package": _package,
}


def _stamp(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:
        return [path.name]
    return [path.name, stat.st_size, stat.st_mtime_ns]


def _key(recording: Recording, step: str, settings: Settings) -> str:
    """Changes when what a step is made of changes."""
    products, manifest = recording.products, recording.manifest
    tracks = [
        _stamp(path)
        for source in manifest.sources
        for _, path in segments.segment_files(recording.track(source.id))
    ]
    class_ = [tracks, _stamp(recording.folder / MARKERS)]
    analysis = [_stamp(products / slides.SLIDES), _stamp(products / SOUND)]
    model = captions.place(settings.model)
    texts = [_stamp(path) for path in sorted(products.glob("captions.*.vtt"))]
    spoken = [_stamp(path) for path in sorted(products.glob("transcript.*.txt"))]
    about = [manifest.title, manifest.lecturer, manifest.course, manifest.language]
    made_of: dict[str, list[Any]] = {
        "align": [class_, settings.layout],
        "analyse": [class_, list(settings.languages)],
        "render": [class_, analysis, about],
        "caption": [class_, list(settings.languages), str(model), _stamp(model / "model.bin")]
        if model
        else ["no model"],
        "draft": [spoken, asdict(settings.drafts)] if settings.drafts else ["off"],
        "package": [
            _stamp(recording.lecture),
            analysis,
            texts,
            about,
            published_at(recording),
        ],
    }
    told = json.dumps([_VERSION, made_of[step]], default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _state(recording: Recording) -> dict[str, Any]:
    try:
        found = json.loads((recording.products / PARTS / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stands(recording: Recording, known: dict[str, Any]) -> bool:
    """Whether the files that a step made are there as it left them."""
    stamps = known.get("stamps", {})
    return all(
        _stamp(recording.products / name)[1:] == stamps.get(name) for name in known.get("files", [])
    )


def _note(recording: Recording, step: str, key: str, made: _Made) -> None:
    names = [str(path.relative_to(recording.products)) for path in made.files]
    state = _state(recording)
    # The lecture is remade by `render`, and what `align` made then no longer stands by itself.
    stamps = {
        name: _stamp(recording.products / name)[1:]
        for name in names
        if not (step == "align" and name == recording.lecture.name)
    }
    if step == "align":
        names = [name for name in names if name in stamps]
    state[step] = {"key": key, "files": names, "stamps": stamps, "notices": made.notices}
    path = recording.products / PARTS / STATE
    path.parent.mkdir(exist_ok=True)
    write_durably(path, json.dumps(state, indent=1).encode())
    manifest = recording.manifest
    notices = {name: told["notices"] for name, told in state.items() if told.get("notices")}
    recording.update(products=manifest.products | {"steps": sorted(state), "notices": notices})

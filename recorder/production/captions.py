"""Captions by faster-whisper, with a model that the site put on this machine.

The model is a folder in CTranslate2 form; nothing is ever downloaded. Without faster-whisper or
without a model there are no captions, a notice says so, and everything else goes on. Long
lectures are done in stretches that are cut where it is quiet; a stretch that was done is kept.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE
from recorder.production.finish import Timeline, timeline
from recorder.production.mix import mix
from recorder.production.vtt import Cue, readable, vtt
from recorder.production.work import Result
from recorder.program import PARTS
from recorder.recording import Recording, write_durably

MODEL = "CLASSROOMD_WHISPER_MODEL"
_RATE = 16_000
_STRETCH_S, _SEARCH_S = 300, 30
_PARAGRAPH_S = 2.5
_SPEECH_PEAK = 0.003

Speech = NDArray[np.float32]
Progress = Callable[[float, float], None]


class CaptionError(Exception):
    """Captions cannot be made here. The text says what is missing; it is no failure of the rest."""


@dataclass(frozen=True)
class Captioned:
    """The files that were written, the language, and how many cues there are."""

    files: list[Path]
    language: str
    cues: int


def place(told: Path | None = None) -> Path | None:
    """Where the model should be: as told, else as the environment says; None without either."""
    return told or (Path(os.environ[MODEL]) if os.environ.get(MODEL) else None)


def model_folder(told: Path | None = None) -> Path:
    """Where the model is. Raises CaptionError when there is none, or no faster-whisper."""
    folder = place(told)
    if folder is None:
        raise CaptionError(
            "no captions: no speech model is configured; put one (CTranslate2 form of Whisper) on "
            f"this machine and name its folder in [production] captions or {MODEL}"
        )
    if not (folder / "model.bin").is_file() or not (folder / "tokenizer.json").is_file():
        raise CaptionError(
            f"no captions: {folder} holds no speech model (model.bin and tokenizer.json)"
        )
    if importlib.util.find_spec("faster_whisper") is None:
        raise CaptionError("no captions: install the extra [captions] (faster-whisper)")
    return folder


class Listener:
    """A loaded model. Raises CaptionError when it cannot be loaded."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        whisper = importlib.import_module("faster_whisper")
        try:
            self._model: Any = whisper.WhisperModel(
                str(folder),
                device="auto",
                compute_type="default",
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise CaptionError(f"no captions: {folder} cannot be loaded: {error}") from error

    def language(self, speech: Speech, among: Sequence[str]) -> str:
        """The language that is spoken, one of `among` unless that is empty."""
        if len(among) == 1 or not self._model.model.is_multilingual:
            return among[0] if among else "en"
        _, _, chances = self._model.detect_language(audio=speech, language_detection_segments=3)
        known = [(chance, language) for language, chance in chances]
        possible = [pair for pair in known if not among or pair[1] in among]
        return max(possible)[1] if possible else (among[0] if among else "en")

    def hear(self, speech: Speech, language: str) -> list[Cue]:
        """The cues of a stretch, from its beginning."""
        segments, _ = self._model.transcribe(
            speech, language=language, condition_on_previous_text=False, vad_filter=True
        )
        return [Cue(float(one.start), float(one.end), str(one.text).strip()) for one in segments]


def stretches(recording: Recording, line: Timeline) -> Iterator[tuple[float, Speech]]:
    """The lecture's sound at 16 kHz mono in stretches, cut where it is quietest: (start, sound)."""
    resampler = av.AudioResampler("fltp", "mono", _RATE)
    held: list[Speech] = []
    start, have = 0, 0

    def cut(speech: Speech) -> int:
        search = speech[_STRETCH_S * _RATE :]
        step = _RATE // 5
        loud = np.square(search[: len(search) // step * step].reshape(-1, step)).mean(axis=1)
        return _STRETCH_S * _RATE + int(np.argmin(loud)) * step + step // 2

    for sound in mix(recording, line):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
        frame.sample_rate = SAMPLE_RATE
        for part in resampler.resample(frame):
            held.append(np.asarray(part.to_ndarray()[0], np.float32))
            have += len(held[-1])
        if have >= (_STRETCH_S + _SEARCH_S) * _RATE:
            speech = np.concatenate(held)
            at = cut(speech)
            yield start / _RATE, speech[:at]
            held, start, have = [speech[at:]], start + at, len(speech) - at
    if have:
        yield start / _RATE, np.concatenate(held)


def caption(
    recording: Recording,
    line: Timeline,
    languages: Sequence[str],
    *,
    model: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Captioned:
    """Writes `captions.<lang>.vtt` and `transcript.<lang>.txt`. Raises CaptionError."""
    folder = model_folder(model)
    among = [language.partition("-")[0].lower() for language in languages]
    listener = Listener(folder)
    size = (folder / "model.bin").stat().st_size
    told = [str(folder), size, among, line.spans]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    keep = recording.products / PARTS / f"captions-{key}.json"
    done = _kept(keep)
    language = str(done.get("language", ""))
    cues: list[Cue] = []
    for start, speech in stretches(recording, line):
        known = done.get("stretches", {}).get(f"{start:.3f}")
        if known is None:
            spoken = float(np.abs(speech).max(initial=0.0)) > _SPEECH_PEAK
            if not language and spoken:
                language = listener.language(speech, among)
            heard = listener.hear(speech, language) if spoken else []
            known = [asdict(cue) for cue in heard]
            done.setdefault("stretches", {})[f"{start:.3f}"] = known
            done["language"] = language
            keep.parent.mkdir(exist_ok=True)
            write_durably(keep, json.dumps(done).encode())
        cues += [Cue(c["start"] + start, c["end"] + start, c["text"]) for c in known]
        progress(start + len(speech) / _RATE, line.duration)
    language = language or (among[0] if among else "en")
    files = _write(recording, language, cues)
    keep.unlink(missing_ok=True)
    return Captioned(files, language, len(cues))


def perform(folder: Path, languages: Sequence[str], model: str | None) -> Result:
    """The job `caption`: the files that were written, or the notice why there are none."""
    recording = Recording.open(folder)
    try:
        made = caption(
            recording, timeline(recording), languages, model=Path(model) if model else None
        )
    except CaptionError as notice:
        return {"files": [], "notices": [str(notice)]}
    return {"files": [path.name for path in made.files], "notices": []}


def _kept(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(recording: Recording, language: str, cues: Sequence[Cue]) -> list[Path]:
    for old in (*recording.products.glob("captions.*.vtt"), *_transcripts(recording)):
        old.unlink()  # of another language, or another model
    captions = recording.products / f"captions.{language}.vtt"
    write_durably(captions, vtt(list(readable(cues)), language).encode())
    transcript = recording.products / f"transcript.{language}.txt"
    write_durably(transcript, paragraphs(cues).encode())
    return [captions, transcript]


def _transcripts(recording: Recording) -> list[Path]:
    return list(recording.products.glob("transcript.*.txt"))


def paragraphs(cues: Sequence[Cue]) -> str:
    """The text alone; where nobody spoke for a while a new paragraph begins."""
    text, end = "", 0.0
    for cue in cues:
        gap = "\n\n" if text and cue.start - end > _PARAGRAPH_S else " " if text else ""
        text += gap + " ".join(cue.text.split())
        end = cue.end
    return text + "\n" if text else ""

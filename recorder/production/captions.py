"""Captions and transcript: what a speech model understands of the class, as files.

Without faster-whisper or without a model there are none, a notice says so, and everything else
goes on. What was understood during class is not listened to again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorder.production import listener as listening
from recorder.production import speech
from recorder.production.listener import CaptionError, Listener, model_folder, place
from recorder.production.timeline import Timeline, timeline
from recorder.production.transcript import Stretch, Transcript
from recorder.production.vtt import Cue, readable, vtt
from recorder.production.work import Result
from recorder.recording import Recording, write_durably

__all__ = ["CaptionError", "Captioned", "caption", "model_folder", "paragraphs", "place"]

_PARAGRAPH_S = 2.5

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Captioned:
    """The files that were written, the language, and how many cues there are."""

    files: list[Path]
    language: str
    cues: int


def spoken_languages(recording: Recording, languages: Sequence[str]) -> list[str]:
    """What may be spoken, without regions: the class's own language, else the room's."""
    told = [own] if (own := recording.manifest.language) else list(languages)
    return list(dict.fromkeys(language.partition("-")[0].lower() for language in told))


class Captioner:
    """Listens to a class stretch by stretch. Raises CaptionError when there is no model."""

    def __init__(self, recording: Recording, languages: Sequence[str], model: Path | None) -> None:
        folder = model_folder(model)
        self.among = spoken_languages(recording, languages)
        self.transcript = Transcript(recording, folder, self.among)
        self._recording = recording
        self._folder = folder
        self._listener: Listener | None = None

    @property
    def listener(self) -> Listener:
        """The model, loaded when it is first needed."""
        if self._listener is None:
            self._listener = listening.Listener(self._folder)
        return self._listener

    def recognise(self, begin: float, end: float) -> float:
        """Hears which language the next stretch is in; returns where it ends."""
        stop, heard = speech.stretch(self._recording, begin, end)
        if speech.spoken(heard) and not self.transcript.asked(begin):
            self.transcript.likely(begin, self.listener.languages(heard, self.among))
        return stop

    def listen(self, begin: float, end: float) -> Stretch:
        """Listens to the next stretch from `begin` on, at most to `end`, and keeps it."""
        stop, heard = speech.stretch(self._recording, begin, end)
        cues: list[Cue] = []
        if speech.spoken(heard):
            cues = self.listener.hear(heard, self.transcript.language)
        # The model may say that words end after the sound does.
        cues = [
            Cue(begin + one.start, min(begin + one.end, stop), one.text)
            for one in cues
            if begin + one.start < stop
        ]
        done = Stretch(begin, stop, tuple(cues))
        self.transcript.add(done)
        self.transcript.save()
        return done


def caption(
    recording: Recording,
    line: Timeline,
    languages: Sequence[str],
    *,
    model: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Captioned:
    """Writes `captions.<lang>.vtt` and `transcript.<lang>.txt`. Raises CaptionError."""
    captioner = Captioner(recording, languages, model)
    known = captioner.transcript
    for begin, end in line.spans:
        at = begin
        while at < end and not known.language:
            at = captioner.recognise(at, end)
    language = known.decide(captioner.among)
    for begin, end in line.spans:
        for from_, to in list(known.missing(begin, end)):
            at = from_
            while at < to:
                at = captioner.listen(at, to).end
                progress(line.lecture(at), line.duration)
    cues = known.cues(line)
    return Captioned(_write(recording, language, cues), language, len(cues))


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


def _write(recording: Recording, language: str, cues: Sequence[Cue]) -> list[Path]:
    captions = recording.products / f"captions.{language}.vtt"
    write_durably(captions, vtt(list(readable(cues)), language).encode())
    transcript = recording.products / f"transcript.{language}.txt"
    write_durably(transcript, paragraphs(cues).encode())
    for pattern in ("captions.*.vtt", "transcript.*.txt"):
        for old in set(recording.products.glob(pattern)) - {captions, transcript}:
            old.unlink()  # of another language, or another model
    return [captions, transcript]


def paragraphs(cues: Sequence[Cue]) -> str:
    """The text alone; where nobody spoke for a while a new paragraph begins."""
    text, end = "", 0.0
    for cue in cues:
        gap = "\n\n" if text and cue.start - end > _PARAGRAPH_S else " " if text else ""
        text += gap + " ".join(cue.text.split())
        end = cue.end
    return text + "\n" if text else ""

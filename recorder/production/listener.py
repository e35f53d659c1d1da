"""Who listens to speech: faster-whisper, with a model that the site put on this machine.

The model is a folder in CTranslate2 form; nothing is ever downloaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder.production.vtt import Cue

MODEL = "CLASSROOMD_WHISPER_MODEL"

Speech = NDArray[np.float32]


class CaptionError(Exception):
    """Captions cannot be made here. The text says what is missing; it is no failure of the rest."""


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
    """A loaded model; speech is mono at 16 kHz. Raises CaptionError when it cannot be loaded."""

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

    def languages(self, speech: Speech, among: Sequence[str]) -> dict[str, float]:
        """How likely each language is spoken, of `among` unless that is empty."""
        if len(among) == 1 or not self._model.model.is_multilingual:
            return {among[0] if among else "en": 1.0}
        _, _, chances = self._model.detect_language(audio=speech)
        told = {str(name): float(chance) for name, chance in chances}
        known = {name: told.get(name, 0.0) for name in among} if among else told
        total = sum(known.values())
        return {name: chance / total for name, chance in known.items()} if total else known

    def hear(self, speech: Speech, language: str) -> list[Cue]:
        """The cues of a stretch, from its beginning."""
        segments, _ = self._model.transcribe(
            speech, language=language, condition_on_previous_text=False, vad_filter=True
        )
        return [Cue(float(one.start), float(one.end), str(one.text).strip()) for one in segments]

"""Captions: word error rate on spoken sentences, per language, and how fast they are heard.

Only where CLASSROOMD_WHISPER_MODEL names a real speech model; the sentences are spoken by
espeak-ng, so figures compare models and settings and say little about a lecture hall.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from recorder.production.listener import CaptionError, Listener, model_folder
from recorder.production.speech import RATE

_SPOKEN = {
    "en": "The kinetic energy of a moving body grows with the square of its speed.",
    "fr": "L'énergie cinétique d'un corps augmente avec le carré de sa vitesse.",
    "es": "La energía cinética de un cuerpo aumenta con el cuadrado de su velocidad.",
    "ru": "Кинетическая энергия тела растёт с квадратом его скорости.",
}


def spoken(language: str, words: str, folder: Path) -> NDArray[np.float32]:
    """The words as espeak-ng says them, mono at 16 kHz."""
    path = folder / f"{language}.wav"
    command = ["espeak-ng", "-v", language, "-s", "140", "-w", str(path), words]
    subprocess.run(command, check=True)
    resampler = av.AudioResampler("fltp", "mono", RATE)
    with av.open(str(path)) as container:
        parts = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts).astype(np.float32)


def word_errors(true: str, heard: str) -> float:
    """Words that differ over the words that were said."""
    one, other = (re.findall(r"\w+", text.lower()) for text in (true, heard))
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, 1):
        before, row = row, [i]
        for j, told in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != told)))
    return row[-1] / len(one)


def run() -> dict[str, float | None]:
    """Word error rate and chance of the right language each (None: no model or no espeak-ng)."""
    figures: dict[str, float | None] = {f"{language}_wer": None for language in _SPOKEN}
    try:
        listener = Listener(model_folder())
    except CaptionError as notice:
        print(f"   {notice}", flush=True)
        return figures
    if shutil.which("espeak-ng") is None:
        return figures
    length = took = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for language, words in _SPOKEN.items():
            sound = spoken(language, words, Path(folder))
            began = time.process_time()
            chances = listener.languages(sound, list(_SPOKEN))
            told = " ".join(cue.text for cue in listener.hear(sound, language))
            took += time.process_time() - began
            length += len(sound) / RATE
            figures[f"{language}_wer"] = round(word_errors(words, told), 3)
            figures[f"{language}_chance"] = round(chances.get(language, 0.0), 3)
    figures["cpu_s_per_s"] = round(took / length, 2)
    return figures

"""Reads slides: RapidOCR where its bundled model knows the script, Tesseract for the others.

On generated slides the model reads Latin, Chinese and Japanese script without a mistake, and
nothing of Cyrillic or Arabic; Tesseract reads those (`make bench NAME=text`). Both are optional:
without them slides have no text, and a notice says what to install.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

NOTICE = (
    "slides are not read: install the extra [ocr] (Latin, Chinese, Japanese script) or "
    "tesseract-ocr with the language's data (other scripts)"
)
_TESSERACT = {
    "ar": "ara", "bg": "bul", "cs": "ces", "da": "dan", "de": "deu", "el": "ell", "en": "eng",
    "es": "spa", "fa": "fas", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun",
    "it": "ita", "ja": "jpn", "ko": "kor", "nl": "nld", "no": "nor", "pl": "pol", "pt": "por",
    "ro": "ron", "ru": "rus", "sv": "swe", "th": "tha", "tr": "tur", "uk": "ukr", "vi": "vie",
    "zh": "chi_sim",
}  # fmt: skip
_OTHER_SCRIPTS = frozenset(("ar", "bg", "el", "fa", "he", "hi", "ko", "ru", "th", "uk"))
_SURE = 0.5
_TITLE_SHARE = 0.45  # of the height: a title stands in the upper part
_TITLE_LENGTH = 100
_SECONDS = 60
_SHRINK = 4


@dataclass(frozen=True)
class Line:
    """A line that was read. The box is in shares of the picture: left, top, width, height."""

    text: str
    box: tuple[float, float, float, float]
    score: float


class Reader(ABC):
    """Reads the lines of a picture, from top to bottom."""

    name: str

    @abstractmethod
    def read(self, picture: Picture) -> list[Line]:
        """Reads a picture (BGR). Raises OSError or ValueError when the reader fails."""


class Rapid(Reader):
    """RapidOCR with the models of its wheel, on one thread."""

    name = "rapidocr"

    def __init__(self) -> None:
        rapidocr = importlib.import_module("rapidocr")
        engine = "EngineConfig.onnxruntime"
        self._engine: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                f"{engine}.intra_op_num_threads": 1,
                f"{engine}.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: Picture) -> list[Line]:
        height, width = picture.shape[:2]
        found = self._engine(picture)
        lines = []
        for box, text, score in zip(
            found.boxes if found.boxes is not None else (),
            found.txts or (),
            found.scores or (),
            strict=True,
        ):
            (left, top), (right, bottom) = np.min(box, axis=0), np.max(box, axis=0)
            place = (left / width, top / height, (right - left) / width, (bottom - top) / height)
            lines.append(Line(str(text), tuple(map(float, place)), float(score)))  # type: ignore[arg-type]
        return _ordered(lines)


class Tesseract(Reader):
    """The tesseract program, with one or several of its languages."""

    name = "tesseract"

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = "+".join(languages)

    def read(self, picture: Picture) -> list[Line]:
        """The picture as it is, and with every ground made white: a light title on a coloured
        band is no text for a program that expects dark on light.
        """
        kept: list[Line] = []
        both = [*self._told(levelled(picture)), *self._told(picture)]
        for line in sorted(both, key=lambda line: -line.score):
            if not any(_same_place(line, other) for other in kept):
                kept.append(line)
        return _ordered(kept)

    def _told(self, picture: Picture) -> list[Line]:
        height, width = picture.shape[:2]
        _, png = cv2.imencode(".png", picture)
        told = subprocess.run(
            ["tesseract", "stdin", "stdout", "-l", self._languages, "--psm", "11", "tsv"],
            input=png.tobytes(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            env={"OMP_THREAD_LIMIT": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"},
        ).stdout.decode("utf-8", "replace")
        words: dict[tuple[str, ...], list[tuple[str, float, list[int]]]] = {}
        for row in told.splitlines()[1:]:
            cell = row.split("\t")
            if len(cell) == 12 and cell[0] == "5" and cell[11].strip():
                place = [int(value) for value in cell[6:10]]
                words.setdefault(tuple(cell[1:5]), []).append((cell[11], float(cell[10]), place))
        lines = []
        for found in words.values():
            left = min(place[0] for _, _, place in found)
            top = min(place[1] for _, _, place in found)
            right = max(place[0] + place[2] for _, _, place in found)
            tall = float(np.median([place[3] for _, _, place in found]))
            text = " ".join(word for word, _, _ in found)
            score = float(np.mean([sure for _, sure, _ in found])) / 100
            box = (left / width, top / height, (right - left) / width, tall / height)
            lines.append(Line(text, box, score))
        return lines


def levelled(picture: Picture) -> Picture:
    """How far each pixel is from the ground around it, dark on white; (height, width)."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // _SHRINK, height // _SHRINK), interpolation=cv2.INTER_AREA)
    around = max(3, min(255, height // _SHRINK // 8)) | 1
    ground = cv2.resize(cv2.medianBlur(small, around), (width, height))
    away = cv2.absdiff(picture, ground).max(axis=2)
    most = max(1, int(away.max()))
    dark: Picture = (255 - away.astype(np.uint16) * 255 // most).astype(np.uint8)
    return dark


def _same_place(one: Line, other: Line) -> bool:
    """Whether half of the smaller box lies within the other."""
    left, right = max(one.box[0], other.box[0]), min(_right(one), _right(other))
    top, bottom = max(one.box[1], other.box[1]), min(_bottom(one), _bottom(other))
    least = min(one.box[2] * one.box[3], other.box[2] * other.box[3])
    return right > left and bottom > top and (right - left) * (bottom - top) > least / 2


def _right(line: Line) -> float:
    return line.box[0] + line.box[2]


def _bottom(line: Line) -> float:
    return line.box[1] + line.box[3]


def _ordered(lines: list[Line]) -> list[Line]:
    sure = [line for line in lines if line.score >= _SURE and any(map(str.isalnum, line.text))]
    return sorted(sure, key=lambda line: (round(line.box[1] + line.box[3] / 2, 2), line.box[0]))


@functools.cache
def _tesseract_languages() -> frozenset[str]:
    if shutil.which("tesseract") is None:
        return frozenset()
    try:
        told = subprocess.run(
            ["tesseract", "--list-langs"], capture_output=True, timeout=_SECONDS, check=True
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(told.split("\n")[1:])


def readers(languages: Sequence[str]) -> list[Reader]:
    """The best readers that are installed here for these languages (BCP 47); maybe none."""
    told = [language.partition("-")[0].lower() for language in languages] or ["en"]
    codes = {language: _TESSERACT.get(language, language) for language in told}
    installed = _tesseract_languages()
    rapid = all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))
    found: list[Reader] = []
    by_rapid = [language for language in told if rapid and language not in _OTHER_SCRIPTS]
    if by_rapid:
        found.append(Rapid())
    rest = [codes[one] for one in told if one not in by_rapid and codes[one] in installed]
    if rest:
        found.append(Tesseract(rest))
    return found


def read(picture: Picture, using: Sequence[Reader]) -> list[Line]:
    """Reads with each reader and returns what the surest one read."""
    read = [reader.read(picture) for reader in using]
    return max(read, key=lambda lines: sum(len(i.text) * i.score for i in lines), default=[])


def title(lines: Sequence[Line]) -> str:
    """The title of a slide: the largest line of its upper part, with what belongs to it."""
    upper = [line for line in lines if line.box[1] < _TITLE_SHARE and len(line.text) > 1]
    if not upper:
        return ""
    tallest = max(line.box[3] for line in upper)
    first = next(line for line in upper if line.box[3] > 0.8 * tallest)
    told, below = [first.text], first.box[1] + first.box[3]
    for line in upper[upper.index(first) + 1 :]:
        near = line.box[1] - below < 0.6 * first.box[3]
        if not near or line.box[3] < 0.8 * first.box[3] or len(told) == 2:
            break
        told.append(line.text)
        below = line.box[1] + line.box[3]
    return " ".join(" ".join(told).split())[:_TITLE_LENGTH]

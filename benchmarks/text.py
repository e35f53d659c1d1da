"""Slide text: the character error rate of each reader that is installed, per language."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recorder.production import text

_SLIDES = {
    "en": ("Kinetic energy", "Energy of a moving body", "Twice as fast means four times"),
    "fr": ("Énergie cinétique", "L'énergie d'un corps en mouvement", "Où est la chaleur perdue ?"),
    "es": ("Energía cinética", "La energía de un cuerpo en movimiento", "¿Dónde está el calor?"),
    "de": ("Bewegungsenergie", "Größe und Übung für Körper", "Doppelt so schnell heißt viermal"),
    "ru": ("Кинетическая энергия", "Энергия движущегося тела", "Вдвое быстрее: вчетверо больше"),
    "zh": ("动能", "运动物体的能量", "速度加倍能量变为四倍"),
    "ar": ("الطاقة الحركية", "طاقة الجسم المتحرك", "ضعف السرعة يعني أربعة أضعاف"),
}
_FONTS = Path("/usr/share/fonts")
_FONT = {
    "zh": "opentype/noto/NotoSansCJK-Regular.ttc",
    "ar": "truetype/noto/NotoNaskhArabic-Regular.ttf",
}
_LATIN = "truetype/dejavu/DejaVuSans.ttf"


def slide(
    language: str, width: int = 1280, height: int = 720, *, band: bool = False
) -> NDArray[np.uint8] | None:
    """A slide in a language, its title light on a coloured `band` or dark; None without Pillow
    or the font.
    """
    font = _FONTS / _FONT.get(language, _LATIN)
    if importlib.util.find_spec("PIL") is None or not font.exists():
        return None
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (width, height), (250, 250, 250))
    draw = ImageDraw.Draw(picture)
    if band:
        draw.rectangle((0, 0, width, 150), (130, 60, 45))
    for row, line in enumerate(_SLIDES[language]):
        used = ImageFont.truetype(str(font), 60 if row == 0 else 34)
        ink = (250, 240, 220) if band and row == 0 else (40, 40, 40)
        x = width - 80 - draw.textlength(line, font=used) if language == "ar" else 80
        draw.text((x, 60 if row == 0 else 140 + 110 * row), line, ink, font=used)
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def error_rate(true: str, read: str) -> float:
    """Edit distance in characters over the true length, spaces left out."""
    true, read = true.replace(" ", ""), read.replace(" ", "")
    row = list(range(len(read) + 1))
    for i, one in enumerate(true, 1):
        before, row = row, [i]
        for j, other in enumerate(read, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (one != other)))
    return row[-1] / len(true)


def run() -> dict[str, float | None]:
    """Error rates of what is chosen for each language (None: nothing installed reads it)."""
    figures: dict[str, float | None] = {}
    for (language, lines), band in itertools.product(_SLIDES.items(), (False, True)):
        picture, using = slide(language, band=band), text.readers([language])
        figure = f"{language}_band_cer" if band else f"{language}_cer"
        if picture is None or not using:
            figures[figure] = None
            continue
        read = text.read(picture, using)
        told = " ".join(line.text for line in read)
        print(f"   {language} by {using[0].name}, title: {text.title(read)}", flush=True)
        figures[figure] = round(error_rate(" ".join(lines), told), 3)
    return figures

"""Captions while they are written: whole cues only, and segments that never change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from streaming.access import Visibility
from streaming.captions import Captions, languages

HEAD = "WEBVTT\nLanguage: en\n\n"


def cue(start: float, text: str) -> str:
    return f"00:00:{start:06.3f} --> 00:00:{start + 1:06.3f}\n{text}\n\n"


def test_a_torn_cue_waits_for_its_rest(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    path = tmp_path / "live" / "captions.en.vtt"
    path.write_text(HEAD + cue(1, "Light") + "00:00:05.000 --> 00:00:06.0")
    captions = Captions(path)
    captions.refresh()
    assert [one.text for one in captions.cues] == ["Light"]
    with path.open("a") as file:
        file.write("00\nis a wave\nand more\n\n")
    captions.refresh()
    captions.refresh()
    assert [(one.start, one.text) for one in captions.cues][1:] == [(5.0, "is a wave\nand more")]
    (tmp_path / "live" / "captions.zh-Hant.vtt").write_text(HEAD)
    (tmp_path / "live" / "captions.x.vtt.part").write_text("")
    assert languages(tmp_path) == ["en", "zh-Hant"]
    assert languages(tmp_path / "nowhere") == []


async def test_captions_are_a_rendition_and_a_file(hall: Any, make_live: Any) -> None:
    recording = hall.begin()
    recording.live.mkdir(exist_ok=True)
    part = recording.products / "parts" / "lecture-001.mp4"
    maker = make_live(part, recording.live / "program.mp4")
    part.with_suffix(".json").write_text('{"part": 1, "file": "lecture-001.mp4", "from": 0.0}')
    maker.write(9.0)
    path = recording.live / "captions.en.vtt"
    path.write_text(HEAD + cue(0.5, "Light") + cue(4.2, "is &lt;fast&gt;"))
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    base = f"http://{await hall.serve()}/api/v1/live"
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(base)).json()["captions"] == ["en"]
        answer = await http.get(f"{base}/{recording.id}/captions/en.vtt")
        assert answer.text == path.read_text()
        assert answer.headers["content-type"].startswith("text/vtt")
        address = f"{base}/{recording.id}/captions/en.vtt?after={len(HEAD)}"
        assert (await http.get(address)).text.startswith("00:00:00.500")
        assert (await http.get(f"{base}/{recording.id}/captions/fr.vtt")).status_code == 404
        answer = await http.get(f"{base}/{recording.id}/captions/..%2f..%2frecording.vtt")
        assert answer.status_code == 404
        hls = f"{base}/{recording.id}/hls"
        master = (await http.get(f"{hls}/index.m3u8")).text
        assert 'TYPE=SUBTITLES,GROUP-ID="captions",NAME="en"' in master
        assert 'SUBTITLES="captions"' in master
        # What may still be captioned is not listed: 0 to 2 and 2 to 4 are complete at 4.2.
        playlist = (await http.get(f"{hls}/captions-en/index.m3u8")).text
        assert [line for line in playlist.split() if line.endswith("vtt")] == ["0.vtt", "1.vtt"]
        first = (await http.get(f"{hls}/captions-en/0.vtt")).text
        assert "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0" in first
        assert "Light" in first
        assert "fast" not in first
        assert (await http.get(f"{hls}/captions-en/2.vtt")).status_code == 404
        with path.open("a") as file:
            file.write(cue(7.5, "and bends"))
        assert "is &lt;fast&gt;" in (await http.get(f"{hls}/captions-en/2.vtt")).text

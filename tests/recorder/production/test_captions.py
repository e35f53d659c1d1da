"""Captions: the real loader on a tiny model of random weights, and what a player reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks import captions as benchmark
from recorder.production import follow, listener, speech
from recorder.production.captions import (
    Captioner,
    CaptionError,
    caption,
    model_folder,
    paragraphs,
)
from recorder.production.timeline import Timeline, timeline
from recorder.production.vtt import Cue, readable, vtt, wrap
from recorder.recording import Recording

WIDTH, HEADS, MELS = 16, 2, 80


def whisper_folder(folder: Path) -> Path:
    """A model of Whisper's shape whose weights are random: it loads, and babbles."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("faster_whisper")
    from ctranslate2.specs import whisper_spec
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    languages = sorted(_LANGUAGE_CODES)
    words = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|startoftranscript|>"]
    special += [f"<|{language}|>" for language in languages]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    special += ["<|nospeech|>", "<|notimestamps|>"]
    stamps = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    vocabulary = words + special + stamps
    ids = {word: number for number, word in enumerate(vocabulary)}
    dice = np.random.default_rng(4)

    def fill(layer: Any, shape: tuple[int, ...]) -> None:
        layer.weight = dice.normal(0, 0.1, shape).astype(np.float32)
        if hasattr(layer, "bias"):
            layer.bias = np.zeros(shape[0], np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        fill(layer.linear_0, (4 * WIDTH, WIDTH))
        fill(layer.linear_1, (WIDTH, 4 * WIDTH))

    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    fill(encoder.conv1, (WIDTH, MELS, 3))
    fill(encoder.conv2, (WIDTH, WIDTH, 3))
    encoder.position_encodings.encodings = dice.normal(0, 0.1, (1500, WIDTH)).astype(np.float32)
    norm(encoder.layer_norm)
    for layer in encoder.layer:
        norm(layer.self_attention.layer_norm)
        fill(layer.self_attention.linear[0], (3 * WIDTH, WIDTH))
        fill(layer.self_attention.linear[1], (WIDTH, WIDTH))
        feed_forward(layer.ffn)
    fill(decoder.embeddings, (len(vocabulary), WIDTH))
    decoder.position_encodings.encodings = dice.normal(0, 0.1, (448, WIDTH)).astype(np.float32)
    norm(decoder.layer_norm)
    fill(decoder.projection, (len(vocabulary), WIDTH))
    for layer in decoder.layer:
        norm(layer.self_attention.layer_norm)
        fill(layer.self_attention.linear[0], (3 * WIDTH, WIDTH))
        fill(layer.self_attention.linear[1], (WIDTH, WIDTH))
        norm(layer.attention.layer_norm)
        fill(layer.attention.linear[0], (WIDTH, WIDTH))
        fill(layer.attention.linear[1], (2 * WIDTH, WIDTH))
        fill(layer.attention.linear[2], (WIDTH, WIDTH))
        feed_forward(layer.ffn)
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [ids[f"<|{language}|>"] for language in languages]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [(0, 0)]
    folder.mkdir()
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    table = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=dict(ids), merges=[], unk_token=None, fuse_unk=False)
    )
    table.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    table.decoder = tokenizers.decoders.ByteLevel()
    table.add_special_tokens([*special, *stamps])
    table.save(str(folder / "tokenizer.json"))
    assert ctranslate2.contains_model(str(folder))
    return folder


def test_a_tiny_model_is_loaded_and_heard(tmp_path: Path, build: Any) -> None:
    model = whisper_folder(tmp_path / "model")
    recording: Recording = build(tmp_path / "rooms", language=None)
    line = timeline(recording)
    made = caption(recording, line, ["en", "fr-FR"], model=model)
    assert made.language in ("en", "fr")
    names = {path.name for path in made.files}
    assert names == {f"captions.{made.language}.vtt", f"transcript.{made.language}.txt"}
    assert made.files[0].read_text().startswith("WEBVTT")


class Pretend:
    """Hears a sentence in each stretch, in the language that it is told; `heard`: their seconds."""

    heard: ClassVar[list[float]] = []
    spoken: ClassVar[list[str]] = ["en"]
    breaks: ClassVar[int] = -1

    def __init__(self, folder: Path) -> None: ...

    def languages(self, speech: Any, among: Any) -> dict[str, float]:
        now = Pretend.spoken.pop(0) if len(Pretend.spoken) > 1 else Pretend.spoken[0]
        return {name: 0.9 if name == now else 0.1 / max(1, len(among) - 1) for name in among}

    def hear(self, speech: Any, language: str) -> list[Cue]:
        if len(Pretend.heard) == Pretend.breaks:
            Pretend.breaks = -1
            raise OSError("the power went")
        Pretend.heard.append(len(speech) / 16_000)
        return [Cue(0.5, 1.5, f"stretch {len(Pretend.heard)} <b> & more")]


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a model; stretches of about five seconds."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.bin").write_bytes(b"m")
    (model / "tokenizer.json").write_text("{}")
    Pretend.heard, Pretend.spoken, Pretend.breaks = [], ["en"], -1
    monkeypatch.setattr(listener, "Listener", Pretend)
    monkeypatch.setattr(listener.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(speech, "LONGEST_S", 6.0)
    monkeypatch.setattr(speech, "_SHORTEST_S", 4.0)
    monkeypatch.setattr(follow, "LONGEST_S", 6.0)
    return model


def test_a_stretch_that_was_done_is_not_done_again(
    tmp_path: Path, build: Any, pretended: Path
) -> None:
    recording: Recording = build(tmp_path / "rooms")
    Pretend.breaks = 2
    line = timeline(recording)
    with pytest.raises(OSError, match="power"):
        caption(recording, line, ["en"], model=pretended)
    made = caption(recording, line, ["en"], model=pretended)
    assert made.cues == 3
    assert Pretend.heard[:2] == pytest.approx([5, 5], abs=1.01)
    assert sum(Pretend.heard) == pytest.approx(14, abs=0.2)
    text = made.files[0].read_text()
    assert "stretch 1 &lt;b&gt; &amp; more" in text
    assert text.count("-->") == 3


def test_what_is_cut_out_after_class_is_not_heard_again(
    tmp_path: Path, build: Any, pretended: Path
) -> None:
    recording: Recording = build(tmp_path / "rooms")
    caption(recording, timeline(recording), ["en"], model=pretended)
    count = len(Pretend.heard)
    line = Timeline([(3.0, 14.0)])
    made = caption(recording, line, ["en"], model=pretended)
    assert len(Pretend.heard) == count
    assert made.cues == count - 1
    assert made.files[0].read_text().splitlines()[4].startswith("00:00:0")


def test_the_language_is_that_of_most_stretches(
    tmp_path: Path, build: Any, pretended: Path
) -> None:
    recording: Recording = build(tmp_path / "rooms", language=None)
    Pretend.spoken = ["fr", "es", "es", "es"]
    made = caption(recording, timeline(recording), ["fr", "es", "en"], model=pretended)
    assert made.language == "es"
    told: Recording = build(tmp_path / "others", language="fr-CA")
    assert caption(told, timeline(told), ["es", "en"], model=pretended).language == "fr"


def test_captions_grow_while_the_class_runs(tmp_path: Path, build: Any, pretended: Path) -> None:
    recording: Recording = build(tmp_path / "rooms", pause=(7.0, 9.0))

    def following() -> follow.SpeechFollower:
        return follow.SpeechFollower(recording, Captioner(recording, ["en"], pretended))

    at_work = following()
    assert not at_work.step(2.0)
    while at_work.step(6.5):
        pass
    path = recording.live / "captions.en.vtt"
    begun = path.read_text()
    assert begun.startswith("WEBVTT\nLanguage: en\n\n00:00:00.500 --> 00:00:01.500\nstretch 1")
    while at_work.step(9.5):
        pass
    grown = path.read_text()
    assert grown.startswith(begun)
    path.write_text(grown[:-20])  # torn by a crash
    again = following()
    while again.step(14.0):
        pass
    cues = [line for line in path.read_text().splitlines() if "-->" in line]
    assert len(cues) == len(set(cues)) == len(Pretend.heard)
    starts = [follow.seconds(cue.split()[0]) for cue in cues]
    assert starts == sorted(starts)
    assert starts[-1] < 12  # two of the fourteen seconds were a pause
    count = len(Pretend.heard)
    caption(recording, timeline(recording), ["en"], model=pretended)
    assert len(Pretend.heard) <= count + 1  # what the class ended in


def test_without_a_model_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLASSROOMD_WHISPER_MODEL", raising=False)
    with pytest.raises(CaptionError, match="no speech model is configured"):
        model_folder()
    monkeypatch.setenv("CLASSROOMD_WHISPER_MODEL", str(tmp_path))
    with pytest.raises(CaptionError, match="holds no speech model"):
        model_folder()
    (tmp_path / "model.bin").write_bytes(b"broken")
    (tmp_path / "tokenizer.json").write_text("{}")
    pytest.importorskip("faster_whisper")
    with pytest.raises(CaptionError, match="cannot be loaded"):
        listener.Listener(model_folder())


def test_words_that_differ_are_counted() -> None:
    errors = benchmark.word_errors
    true = "The kinetic energy of a body"
    assert errors(true, "the kinetic energy, of a body.") == 0
    assert errors(true, "The kinetic synergy of body") == pytest.approx(2 / 6)
    assert errors(true, "Now the kinetic energy of a body it is") == pytest.approx(3 / 6)
    assert errors(true, "") == 1


def test_the_benchmark_says_how_much_was_heard_wrong(
    pretended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hard(Pretend):
        """Hears everything but the first word, which it takes for another."""

        def hear(self, speech: Any, language: str) -> list[Cue]:
            words = benchmark._SPOKEN[language].split()
            return [Cue(0, 1, " ".join(["What", *words[1:4]])), Cue(1, 2, " ".join(words[4:]))]

    def spoken(language: str, words: str, folder: Path) -> Any:
        return np.zeros(16_000, np.float32)

    monkeypatch.setenv("CLASSROOMD_WHISPER_MODEL", str(pretended))
    monkeypatch.setattr(benchmark, "Listener", Hard)
    monkeypatch.setattr(benchmark, "spoken", spoken)
    monkeypatch.setattr(benchmark.shutil, "which", lambda name: name)
    figures = benchmark.run()
    assert figures["en_wer"] == pytest.approx(1 / 14, abs=0.001)
    assert figures["en_chance"] == 0.9
    assert figures["fr_chance"] == pytest.approx(0.1 / 3, abs=0.001)


def test_cues_can_be_read_in_time() -> None:
    long = "The energy of a moving body grows with the square of its speed, so that a car at " * 3
    parts = list(readable([Cue(10, 28, long)]))
    assert parts[0].start == 10
    assert parts[-1].end == pytest.approx(28)
    for cue in parts:
        assert len(cue.text.splitlines()) <= 2
        assert all(len(line) <= 42 for line in cue.text.splitlines())
        assert cue.end - cue.start <= 7.01
    assert " ".join(" ".join(cue.text.split()) for cue in parts) == " ".join(long.split())
    chinese = wrap("速度加倍能量变为四倍" * 5)
    assert max(len(line) for line in chinese) == 21
    assert "".join(chinese) == "速度加倍能量变为四倍" * 5


def test_no_text_breaks_the_file() -> None:
    told = vtt([Cue(5, 6, "later"), Cue(1, 9, "a --> b\n\n<script>&"), Cue(3700.5, 3701, "end")])
    assert told.splitlines()[2:5] == ["1", "00:00:01.000 --> 00:00:05.000", "a → b"]
    assert "&lt;script&gt;&amp;" in told
    assert "01:01:40.500 --> 01:01:41.000" in told


def test_the_transcript_has_paragraphs() -> None:
    cues = [Cue(0, 1, "One."), Cue(1.2, 2, "Two."), Cue(9, 10, "Three.")]
    assert paragraphs(cues) == "One. Two.\n\nThree.\n"
    assert json.loads(json.dumps(paragraphs([]))) == ""

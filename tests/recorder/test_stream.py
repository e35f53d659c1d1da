import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from recorder.sources import parameters
from recorder.sources.open import (
    SourceError,
    open_stream,
    parse,
    read_secret,
    with_credentials,
    without_credentials,
)


def test_our_own_options_are_taken_off_an_address() -> None:
    address = parse(
        "rtsp://cam/stream?channel=1&transport=udp&sub=rtsp%3A%2F%2Fcam%2Fsmall%3Fx%3D1"
    )
    assert address.url == "rtsp://cam/stream?channel=1"
    assert address.own == {"transport": "udp", "sub": "rtsp://cam/small?x=1"}
    assert (
        parse("file:/a/b.mp4?pace=fast").fast and parse("file:/a/b.mp4?pace=fast").url == "/a/b.mp4"
    )
    assert parse("file:///a/b.mp4").url == "/a/b.mp4"
    assert parse("test:slides").child == "recorder.sources.generate"
    assert parse("v4l2:///dev/video0").child == "recorder.sources.capture"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("camera", "KIND:"),
        ("gopher://x", "known are"),
        ("file:x?pace=slow", "realtime or fast"),
        ("rtsp://x?transport=smoke", "tcp or udp"),
    ],
)
def test_a_wrong_address_is_said(url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        parse(url)


def test_secrets_are_read_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_LOGIN", "user:pa:ss")
    (tmp_path / "login").write_text("user:word\n")
    assert read_secret("env:CAMERA_LOGIN") == "user:pa:ss"
    assert read_secret(f"file:{tmp_path}/login") == "user:word"
    for missing in ("env:NOT_SET", f"file:{tmp_path}/none", "user:password"):
        with pytest.raises(SourceError) as caught:
            read_secret(missing)
        assert "password" not in str(caught.value)


def test_credentials_stay_out_of_what_is_shown() -> None:
    whole = with_credentials("rtsp://10.0.0.1:554/a?b=c", "user:p@ss/w")
    assert whole == "rtsp://user:p%40ss%2Fw@10.0.0.1:554/a?b=c"
    assert without_credentials(whole) == "rtsp://10.0.0.1:554/a?b=c"


def test_an_error_names_the_address_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_LOGIN", "user:geheim")
    with pytest.raises(
        SourceError, match=re.escape("rtsp://127.0.0.1:9/x does not open")
    ) as caught:
        open_stream(parse("rtsp://127.0.0.1:9/x"), "env:CAMERA_LOGIN")
    assert "geheim" not in str(caught.value) and caught.value.__suppress_context__


def test_parameter_sets_tell_the_size_of_the_picture() -> None:
    for width, height in ((320, 180), (1280, 720), (1920, 1080)):
        for profile in ("baseline", "high"):
            encoder: Any = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.framerate, encoder.flags = 25, encoder.flags | 1 << 22
            encoder.options = {"preset": "ultrafast", "profile": profile}
            encoder.open()
            sets = parameters.parameter_sets("h264", encoder.extradata)
            [sps] = parameters.sequence_sets("h264", sets)
            assert parameters.h264_size(sps) == (width, height)
    assert parameters.h264_size(b"\x67\x42") is None
    assert parameters.h264_size(b"\x67" + b"\x00" * 40) is None
    assert parameters.parameter_sets("h264", b"no start code") == []


async def test_a_camera_is_copied_with_its_sound(
    hold_class: Callable[..., Any], camera: Callable[..., Any], tools: Any
) -> None:
    made = hold_class(f"presenter={camera().url}")
    await made.start()
    await made.running("presenter")
    await made.until(lambda: made.status.duration_s > 4, "four seconds")
    await made.finish()
    folder = made.recording.track("presenter")
    video, audio = tools.packets(folder), tools.packets(folder, "audio")
    assert video[0][1], "a track begins with a key frame"
    assert video[-1][0] == pytest.approx(made.status.duration_s, abs=0.5)
    assert audio[-1][0] == pytest.approx(video[-1][0], abs=0.3)
    steps = [b - a for (a, _), (b, _) in itertools.pairwise(video)]
    assert min(steps) > 0.03 and max(steps) < 0.05
    assert len(tools.pictures(folder / "000001.mp4")) == len(video)
    described = made.recording.manifest.tracks["presenter"]["streams"]
    assert [(s["media"], s["codec"]) for s in described] == [("video", "h264"), ("audio", "aac")]
    assert (described[0]["width"], described[0]["height"]) == (320, 180)


async def test_a_camera_that_is_killed_and_comes_back_in_another_size(
    hold_class: Callable[..., Any], camera: Callable[..., Any], tools: Any
) -> None:
    device = camera("--sound", "none", "--gop", "10")
    made = hold_class(f"presenter={device.url}", "microphone=test:speech")
    await made.start()
    await made.running("presenter", "microphone")
    device.kill()
    await made.until(lambda: made.fact("source_lost", "presenter"), "the loss")
    assert made.status.sources["microphone"].state == "running"
    lost = made.status.duration_s
    await made.until(lambda: made.status.duration_s > lost + 0.5, "more than is no gap")
    device.start("--sound", "none", "--size", "640x360", "--gop", "10")
    await made.say("retry", source="presenter")
    await made.until(lambda: made.fact("source_lost", "presenter") is False, "its return")
    await made.until(lambda: made.status.sources["presenter"].gaps == 1, "the gap")
    before = made.status.sources["presenter"].bytes
    await made.until(lambda: made.status.sources["presenter"].bytes > before, "more")
    await made.finish()
    sizes = []
    for path in sorted(made.recording.track("presenter").glob("*.mp4")):
        sizes += [frame.width for frame in tools.pictures(path)][:1]
    assert sizes == [320, 640]
    [gap] = [m.data for m in made.recording.markers() if m.kind == "gap"]
    assert gap["source"] == "presenter" and gap["to"] > gap["from"]
    times = [at for at, _ in tools.packets(made.recording.track("presenter"))]
    assert times == sorted(times)


async def test_a_login_is_used_and_never_written_down(
    hold_class: Callable[..., Any], camera: Callable[..., Any]
) -> None:
    device = camera("--sound", "none", "--login", "teacher:Ge/heim1")
    made = hold_class(f"presenter={device.url}", secret="env:CAMERA_LOGIN")
    await made.start(env={"CAMERA_LOGIN": "teacher:wrong"})
    await made.until(lambda: made.fact("source_failed", "presenter"), "the refusal")
    await made.kill()
    await made.ended()
    await made.start(env={"CAMERA_LOGIN": "teacher:Ge/heim1"})
    await made.running("presenter")
    await made.finish()
    for path in made.folder.rglob("*"):
        if path.is_file() and path.suffix not in (".mp4", ".jpg"):
            text = path.read_bytes()
            assert b"heim1" not in text and b"wrong" not in text, path


async def test_telephone_sound_is_kept_as_it_is(
    hold_class: Callable[..., Any], camera: Callable[..., Any], tools: Any
) -> None:
    made = hold_class(f"audience={camera('--sound', 'alaw').url}")
    await made.start()
    await made.running("audience")
    await made.until(lambda: made.status.duration_s > 2.5, "some sound")
    await made.finish()
    folder = made.recording.track("audience")
    assert [path.suffix for path in folder.glob("*.m*")] == [".mov"]
    end = made.status.duration_s
    for kind in ("audio", "video"):
        assert tools.packets(folder, kind)[-1][0] == pytest.approx(end, abs=0.5)


async def test_a_file_plays_in_its_own_time_and_ends(
    hold_class: Callable[..., Any], clip: Path, tools: Any
) -> None:
    made = hold_class(f"presenter=file:{clip}", "microphone=test:speech")
    await made.start()
    await made.until(lambda: made.fact("source_lost", "presenter"), "the end of the file")
    await made.until(lambda: "ended" in made.status.sources["presenter"].detail, "its word")
    assert made.status.duration_s > 4.0
    await made.finish()
    packets = tools.packets(made.recording.track("presenter"))
    assert len(packets) == 100
    shown = [at for at, _ in packets]
    assert max(shown) - min(shown) == pytest.approx(3.96, abs=0.01)


async def test_a_file_may_be_played_again_and_again(
    hold_class: Callable[..., Any], clip: Path, tools: Any
) -> None:
    made = hold_class(f"presenter=file:{clip}?loop=yes")
    await made.start()
    await made.until(lambda: made.status.duration_s > 5.5, "more than its length")
    await made.finish()
    times = sorted(at for at, _ in tools.packets(made.recording.track("presenter")))
    assert times[-1] > 4.6
    assert max(b - a for a, b in itertools.pairwise(times)) < 0.1


async def test_a_file_without_media_is_refused(
    hold_class: Callable[..., Any], tmp_path: Path
) -> None:
    wrong = tmp_path / "notes.mp4"
    wrong.write_text("these are no pictures")
    made = hold_class(f"presenter=file:{wrong}", f"slides=file:{tmp_path}/none.mp4")
    await made.start()
    await made.until(lambda: made.fact("source_failed", "presenter"), "the refusal")
    await made.until(lambda: made.fact("source_failed", "slides"), "the other refusal")
    assert "No such file" in made.status.sources["slides"].detail


async def test_sender_reports_are_measured_and_used_where_they_are_trusted(
    hold_class: Callable[..., Any], camera: Callable[..., Any]
) -> None:
    made = hold_class(f"presenter={camera().url}", clock="sender")
    await made.start()
    await made.running("presenter")
    await made.until(lambda: made.status.duration_s > 8, "a while")
    await made.until(
        lambda: made.status.sources["presenter"].sender_latency_ms is not None, "its first report"
    )
    await made.finish()
    found = made.recording.manifest.measured["sources"]["presenter"]
    assert -50 < found["sender_latency_ms"] < 2000 and "drift_ppm" in found
    assert found["sender_clock_used"]

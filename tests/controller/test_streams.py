"""`onvif://camera` in a source: what the camera says, what it said last, or the fallback."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load
from controller.streams import Streams
from devices.model import DeviceState, Value
from recorder.recording import SourceSpec

MAIN, SUB = "rtsp://10.0.0.9/main", "rtsp://10.0.0.9/sub"


class Cameras:
    def __init__(self, **values: Value) -> None:
        self.values = dict(values)

    def states(self) -> list[DeviceState]:
        return [
            DeviceState(
                id="camera", name="Camera", kind="camera", profile="onvif/ptz", values=self.values
            )
        ]


def _source(url: str, **more: str) -> SourceSpec:
    return SourceSpec.model_validate({"id": "presenter", "role": "presenter", "url": url, **more})


async def test_the_camera_says_where(tmp_path: Path) -> None:
    streams = Streams(Cameras(stream_uri=MAIN, sub_stream_uri=SUB), tmp_path / "streams.json")
    [source] = await streams.resolved([_source("onvif://camera")])
    assert (source.url, source.sub) == (MAIN, SUB)
    [source] = await streams.resolved([_source("onvif://camera", sub="rtsp://other")])
    assert (source.url, source.sub) == (MAIN, "rtsp://other")


async def test_a_camera_that_boots_is_recorded_where_it_was(tmp_path: Path) -> None:
    kept = tmp_path / "state" / "streams.json"
    await Streams(Cameras(stream_uri=MAIN), kept).resolved([_source("onvif://camera")])
    [source] = await Streams(Cameras(), kept).resolved([_source("onvif://camera")])
    assert source.url == MAIN


async def test_a_camera_that_never_answered_has_a_fallback(tmp_path: Path) -> None:
    streams = Streams(Cameras(), tmp_path / "streams.json")
    [source] = await streams.resolved([_source("onvif://camera?fallback=rtsp%3A%2F%2Fx%2Fy")])
    assert source.url == "rtsp://x/y"


async def test_a_damaged_file_is_no_harm_and_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "streams.json").write_text('{"camera": 3')
    streams = Streams(Cameras(stream_uri=MAIN), tmp_path / "streams.json")
    plain = _source("rtsp://10.0.0.1/x")
    assert await streams.resolved([plain]) == [plain]
    [source] = await streams.resolved([_source("onvif://camera")])
    assert source.url == MAIN


ROOM = """[room]
id = "r"
name = "R"
[[devices]]
id = "camera"
profile = "{profile}"
transport = "{transport}"
[[sources]]
id = "presenter"
role = "presenter"
url = "onvif://{source}"
"""


@pytest.mark.parametrize(
    ("profile", "transport", "source", "wrong"),
    [
        ("onvif/ptz", "onvif://10.0.0.9", "camera", ""),
        ("onvif/ptz", "onvif://10.0.0.9", "camra", "there is no device 'camra'"),
        ("visca/raw", "tcp://10.0.0.9", "camera", "can't tell where it streams"),
    ],
)
def test_the_source_must_name_such_a_camera(
    tmp_path: Path, profile: str, transport: str, source: str, wrong: str
) -> None:
    file = tmp_path / "room.toml"
    file.write_text(ROOM.format(profile=profile, transport=transport, source=source))
    if not wrong:
        assert load(file).sources[0].url == "onvif://camera"
        return
    with pytest.raises(ConfigError, match=wrong) as error:
        load(file)
    assert error.value.key == "sources[0].url" and error.value.line == 11

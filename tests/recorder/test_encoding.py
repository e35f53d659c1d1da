"""What is told of the program's encoder."""

from __future__ import annotations

from recorder.encoding import Encoding


def test_rate_and_hand_overs() -> None:
    encoding = Encoding()
    encoding.started({"part": 1, "encoder": "h264_nvenc"})
    for second in range(6):
        told = {"frames": 25 * second, "skipped": second, "behind": 0.25}
        encoding.progress(told, 100.0 + second)
    status = encoding.status
    assert (status.fps, status.frames, status.skipped, status.behind_s) == (25.0, 125, 5, 0.25)
    encoding.started({"part": 2, "encoder": "libx264"})
    assert (encoding.status.part, encoding.status.hand_overs) == (2, 1)
    assert encoding.status.fps is None, "the last part's rate says nothing of this one's"
    encoding.started({"part": 3, "encoder": "libx264"})
    assert encoding.status.hand_overs == 1


def test_an_encoder_that_is_refused_at_once_has_been_taken_over_from() -> None:
    encoding = Encoding()
    encoding.handed_over({"encoder": "libx264", "instead_of": "h264_nvenc"})
    encoding.started({"part": 1, "encoder": "libx264"})
    assert (encoding.status.name, encoding.status.hand_overs) == ("libx264", 1)


def test_an_encoder_that_fails_within_a_part_has_been_taken_over_from() -> None:
    encoding = Encoding()
    encoding.started({"part": 1, "encoder": "h264_nvenc"})
    encoding.progress({"frames": 25}, 100.0)
    encoding.handed_over({"encoder": "libx264", "instead_of": "h264_nvenc"})
    status = encoding.status
    assert (status.name, status.hand_overs, status.frames) == ("libx264", 1, 25)
    encoding.started({"part": 2, "encoder": "libx264"})
    assert encoding.status.hand_overs == 1

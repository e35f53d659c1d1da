"""An NDI sender for tests: `python ndi_camera.py NAME`, 320x180 at 25, a tone on two channels."""

import sys
from fractions import Fraction

import numpy as np
from cyndilib import AudioSendFrame, Sender, VideoSendFrame
from cyndilib.wrapper import FourCC

SIZE, FPS, RATE = (320, 180), 25, 48000


def main() -> None:
    sender = Sender(sys.argv[1], clock_video=True)
    video, audio = VideoSendFrame(), AudioSendFrame()
    video.set_resolution(*SIZE)
    video.set_frame_rate(Fraction(FPS))
    video.set_fourcc(FourCC.UYVY)
    audio.sample_rate, audio.num_channels = RATE, 2
    audio.set_max_num_samples(RATE // FPS)
    sender.set_video_frame(video)
    sender.set_audio_frame(audio)
    number, step = 0, RATE // FPS
    with sender:
        while True:
            picture = np.full(SIZE[0] * SIZE[1] * 2, 128, np.uint8)
            picture[1::2] = 16 + number * 5 % 200
            t = np.arange(number * step, (number + 1) * step) / RATE
            tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
            sender.write_video_and_audio(picture, np.stack([tone, tone]))
            number += 1


if __name__ == "__main__":
    main()

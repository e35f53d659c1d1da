"""Cameras whose clocks run wrong: a real RTSP server that plays files at a speed of its own.

Runs under the system's Python: `/usr/bin/python3 rtsp_skewed.py NAME=FILE@PPM…`; a FILE holds H.264
or AAC or both in MP4. The media clock of NAME runs fast by PPM: its time stamps do, and its sender
reports tell them beside the true time, as those of a camera with a bad crystal. Prints a JSON line
`{"port": N}`, then `{"name": …, "zero": …}` for each that starts to play: the
CLOCK_MONOTONIC second at which its stamp is zero.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

VIDEO = "d.video_0 ! queue ! h264parse ! rtph264pay name=pay{pay} pt=96 config-interval=1"
# A packet for each piece of sound: with several in one the later ones would come before their time.
SOUND = "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay{pay} pt=97 max-ptime=20000000"
DENOMINATOR = 1_000_000


def pipeline(file: str) -> str:
    kinds = [VIDEO] if "video" in file else []
    kinds += [SOUND] if "sound" in file else []
    paid = " ".join(kind.format(pay=place) for place, kind in enumerate(kinds))
    return f'( filesrc location="{file}" ! qtdemux name=d {paid} )'


def tell(name: str, clock: Gst.Clock, media: GstRtspServer.RTSPMedia) -> bool:
    """Called once it plays: the base time is set on the way there."""
    zero = clock.unadjust_unlocked(media.get_element().get_parent().get_base_time())
    print(json.dumps({"name": name, "zero": zero / 1e9}), flush=True)
    return bool(GLib.SOURCE_REMOVE)


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    for told in sys.argv[1:]:
        name, _, rest = told.partition("=")
        file, _, ppm = rest.partition("@")
        clock = Gst.SystemClock(clock_type=Gst.ClockType.MONOTONIC)
        now = clock.get_internal_time()
        clock.set_calibration(now, now, DENOMINATOR + int(ppm), DENOMINATOR)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline(file))
        factory.set_clock(clock)

        def configured(
            _: object, media: GstRtspServer.RTSPMedia, name: str = name, clock: Gst.Clock = clock
        ) -> None:
            def changed(media: GstRtspServer.RTSPMedia, state: int) -> None:
                if state == Gst.State.PLAYING:
                    GLib.timeout_add(700, tell, name, clock, media)

            media.connect("new-state", changed)

        factory.connect("media-configure", configured)
        server.get_mount_points().add_factory(f"/{name}", factory)
    if not server.attach(None):
        raise SystemExit("no port is free")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()

"""A network camera for tests: a real RTSP server that sends live H.264 and sound.

Runs under the system's Python, which has the GStreamer bindings:
`/usr/bin/python3 rtsp_camera.py [--port N] [--size 320x180] [--fps 25] [--gop 25] [--sound aac]
[--login user:password] [--host ADDRESS]`. Prints one JSON line `{"port": N}` once it listens.
"""

import argparse
import json

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

SOUND = {
    "aac": "audioconvert ! avenc_aac ! aacparse ! rtpmp4gpay name=pay1 pt=97",
    "alaw": "audioresample ! audioconvert ! alawenc ! rtppcmapay name=pay1 pt=8",
}


def pipeline(options: argparse.Namespace) -> str:
    width, height = options.size.split("x")
    video = (
        f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},"
        f"framerate={options.fps}/1 ! x264enc tune=zerolatency speed-preset=ultrafast threads=1 "
        f"key-int-max={options.gop} ! video/x-h264,profile=baseline ! "
        "rtph264pay name=pay0 pt=96 config-interval=1"
    )
    if options.sound == "none":
        return f"( {video} )"
    rate = 8000 if options.sound == "alaw" else 48000
    sound = f"audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate={rate},channels=1 ! "
    return f"( {video} {sound}{SOUND[options.sound]} )"


def protect(server: GstRtspServer.RTSPServer, factory: object, login: str) -> None:
    user, _, password = login.partition(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("viewer")
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--gop", type=int, default=25)
    parser.add_argument("--sound", choices=[*SOUND, "none"], default="aac")
    parser.add_argument("--login")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(options.host)
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline(options))
    factory.set_shared(True)
    if options.login:
        protect(server, factory, options.login)
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        raise SystemExit(f"port {options.port} is taken")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()

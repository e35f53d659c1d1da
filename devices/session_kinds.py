"""Every named conversation: our side, and the device's side for the simulator."""

from __future__ import annotations

from devices.far_sessions import FAR_KINDS as FAR_PLAIN_KINDS
from devices.far_sessions import FarSession
from devices.far_shelly import FarShelly
from devices.onvif.far import FarOnvif
from devices.onvif.session import OnvifSession
from devices.sessions import KINDS as PLAIN_KINDS
from devices.sessions import Session

KINDS: dict[str, type[Session]] = {**PLAIN_KINDS, "onvif": OnvifSession}
FAR_KINDS: dict[str, type[FarSession]] = {
    **FAR_PLAIN_KINDS,
    "onvif": FarOnvif,
    "shelly": FarShelly,
}

"""What a door is told when it names something that this room does not have."""

from __future__ import annotations

from controller.errors import ClassroomError


def device(name: str) -> ClassroomError:
    """No such device."""
    return ClassroomError(
        "unknown_device",
        f"There is no device {name!r} in this room.",
        "The list of devices has their ids.",
        404,
    )


def recording(name: str) -> ClassroomError:
    """No such recording."""
    return ClassroomError(
        "unknown_recording",
        f"There is no recording {name!r} here.",
        "The list of recordings has their ids.",
        404,
    )


def scene(name: str) -> ClassroomError:
    """No such scene."""
    return ClassroomError(
        "unknown_scene",
        f"There is no scene {name!r} in this room.",
        "The room's scenes are named in its view.",
        404,
    )

"""What the room does by itself when devices or the class change: recognised devices are journalled,
triggers fire, cameras look away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.privacy import Privacy
from controller.recognised import Recognised
from controller.register import DAEMON, Register
from controller.settings import RoomConfig
from controller.triggers import Triggers
from devices.model import DeviceState

if TYPE_CHECKING:
    from devices.manager import DeviceManager


class ByItself:
    """Told of every change of a device and of the class."""

    def __init__(self, config: RoomConfig, devices: DeviceManager, register: Register) -> None:
        self._register = register
        self._recognised = Recognised(
            config.devices, lambda found: self._note("device_recognised", found)
        )
        self._triggers = Triggers(
            config.triggers, config.scene, devices, register.alarms, self._note
        )
        self._privacy = Privacy(config.privacy, devices)

    def device_changed(self, state: DeviceState) -> None:
        """A device told its state."""
        self._recognised.device_changed(state)
        self._triggers.device_changed(state)
        self._privacy.device_changed(state)

    def session_changed(self) -> None:
        """The class changed, or the daemon starts."""
        current = self._register.current
        self._triggers.session_changed(current.state if current is not None else None)
        self._privacy.session_changed(self._register.on)

    async def stop(self) -> None:
        """Give up what runs."""
        await self._triggers.stop()
        await self._privacy.stop()

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        self._register.in_background(self._register.note(DAEMON, kind, data), f"note {kind}")

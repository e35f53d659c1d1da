"""The room's figures for Prometheus, read from the room when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric

from controller.classroom import Classroom
from controller.state import SessionState
from devices.model import Health, Power


class RoomCollector:
    """Gauges of one room; labels are ids from room.toml, so their number is bounded."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom

    def collect(self) -> Iterator[Metric]:
        view = self._classroom.view()
        session = view.session
        state = GaugeMetricFamily(
            "classroomd_session_state", "1 for the state that the class is in", labels=["state"]
        )
        for name in SessionState:
            state.add_metric([name.value], float(session is not None and session.state == name))
        yield state
        recording = GaugeMetricFamily("classroomd_recording", "1 while media reaches the disk")
        live = session is not None and session.recording_state == "recording"
        recording.add_metric([], float(live))
        yield recording
        if session is not None and session.start_to_first_frame_ms is not None:
            first = GaugeMetricFamily(
                "classroomd_start_to_first_frame_seconds", "From the button to the first frame"
            )
            first.add_metric([], session.start_to_first_frame_ms / 1000)
            yield first
        online = GaugeMetricFamily(
            "classroomd_device_online", "1 while the device answers", labels=["device", "kind"]
        )
        power = GaugeMetricFamily(
            "classroomd_device_on", "1 while the device is on", labels=["device", "kind"]
        )
        for device in view.devices:
            labels = [device.id, device.kind]
            online.add_metric(labels, float(device.health in {Health.ONLINE, Health.DEGRADED}))
            power.add_metric(labels, float(device.power == Power.ON))
        yield online
        yield power
        source = GaugeMetricFamily(
            "classroomd_source_running", "1 while the source sends", labels=["source", "role"]
        )
        level = GaugeMetricFamily(
            "classroomd_source_level_dbfs", "Short-term sound level", labels=["source"]
        )
        for item in view.sources:
            source.add_metric([item.id, item.role], float(item.state == "running"))
            if item.level_dbfs is not None:
                level.add_metric([item.id], item.level_dbfs)
        yield source
        yield level
        alarms = GaugeMetricFamily("classroomd_alarms", "Alarms that stand", labels=["severity"])
        for severity in ("info", "warning", "critical"):
            count = sum(alarm.severity == severity for alarm in view.alarms)
            alarms.add_metric([severity], float(count))
        yield alarms
        deliveries = GaugeMetricFamily(
            "classroomd_deliveries", "Deliveries by state", labels=["state"]
        )
        states = [delivery.state for delivery in view.deliveries]
        for one in ("waiting", "sending", "verifying", "verified", "retrying", "failed"):
            deliveries.add_metric([one], float(states.count(one)))
        yield deliveries
        panels = GaugeMetricFamily("classroomd_event_subscribers", "Open event streams")
        panels.add_metric([], float(self._classroom.events.subscribers))
        yield panels


def registry(classroom: Classroom) -> CollectorRegistry:
    """A registry of the room's and the process's figures."""
    found = CollectorRegistry()
    found.register(RoomCollector(classroom))
    ProcessCollector(registry=found)
    PlatformCollector(registry=found)
    GCCollector(registry=found)
    return found

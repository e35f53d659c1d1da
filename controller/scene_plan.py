"""What a scene would do, without doing it: each step with its bytes, what it waits for, and when
it would be sent and ready, by the power models and settle times of the profiles.

The times take the worst case: everything that the scene switches is in the other state before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.scenes import order, step_names
from controller.settings import RoomConfig, Scene, SceneStep
from devices.codec import Codec, printable
from devices.framing import Framer
from devices.manager import AUTO, check_spec
from firmware_profiles.catalog import Catalog
from firmware_profiles.messages import TOPIC_END
from firmware_profiles.schema import Profile

ANSWER_S = 0.1


@dataclass(frozen=True)
class PlannedStep:
    """One step: `sent` and `ready` in seconds from the scene's beginning; `bytes` as hex digits of
    one frame, `text` the same for people; `after` names what must have succeeded; `notes` what
    else should be known."""

    number: int
    device: str
    command: str
    value: object
    bytes: str
    text: str
    after: tuple[str, ...]
    sent: float
    ready: float
    notes: tuple[str, ...] = ()


@dataclass
class _Device:
    """A device while the scene runs on paper."""

    profile: Profile | None
    codec: Codec | None
    framer: Framer | None
    free: float = 0.0
    power_ready: float = 0.0
    switched: bool | None = None
    sent: list[str] = field(default_factory=list)


def plan(config: RoomConfig, scene: Scene) -> list[PlannedStep]:
    """The steps in the order in which they would be sent. The configuration must be right."""
    catalog = Catalog(config.profiles.paths)
    devices = {spec.id: _device(config, spec.id, catalog) for spec in config.devices}
    needs = order(scene) or [set() for _ in scene.steps]
    over: dict[int, float] = {}
    planned: list[PlannedStep] = []
    left = list(range(len(scene.steps)))
    while left:
        at = next(i for i in left if needs[i] <= over.keys())
        left.remove(at)
        step = scene.steps[at]
        begin = max((over[i] for i in needs[at]), default=0.0) + step.delay_s
        made, over[at] = _step(scene, at, step, devices[step.device], begin)
        planned.append(made)
    return sorted(planned, key=lambda made: (made.sent, made.number))


def _device(config: RoomConfig, device: str, catalog: Catalog) -> _Device:
    spec = next(spec for spec in config.devices if spec.id == device)
    if spec.profile == AUTO:
        return _Device(None, None, None)
    profile = check_spec(spec, catalog)
    frame = profile.frame
    stream = bool({"serial", "tcp"} & set(profile.transports.ways()))
    framer = Framer(frame.tx, frame.rx, frame.encoding, datagram=not stream)
    options = dict(spec.options)
    if spec.transport.startswith("mqtt://") and "topic" in profile.options:
        options["topic"] = spec.transport.removeprefix("mqtt://").strip("/")
    return _Device(profile, Codec(profile, options), framer)


def _step(
    scene: Scene, at: int, step: SceneStep, device: _Device, begin: float
) -> tuple[PlannedStep, float]:
    """The step, and when its result is known."""
    names = step_names(scene)
    after = tuple(
        name for name in step.after if any(other != at for other in names.get(name, set()))
    )
    notes: list[str] = []
    frame, sent = b"", max(begin, device.free)
    ready = over = sent + ANSWER_S
    if device.profile is None or device.codec is None or device.framer is None:
        notes.append("it isn't known before it is recognised (profile auto): not checked")
    else:
        profile, spec = device.profile, device.codec.command(step.command).spec
        frame = device.framer.wrap(device.codec.set(step.command, step.value).body)
        gap = spec.gap_ms if spec.gap_ms is not None else profile.timing.gap_ms
        if step.command == "power":
            on = step.value in (True, "on", "true", 1)
            changing = profile.power.warm_s if on else profile.power.cool_s
            if device.switched is not None and device.switched is not on and profile.power.hold:
                sent = max(sent, device.power_ready)
                notes.append("waits until the change of power before it is over")
            device.switched, device.power_ready = on, sent + changing
            over, ready = sent + ANSWER_S, max(sent + ANSWER_S, sent + changing)
            if on and profile.power.wake == "wol":
                notes.append("a Wake-on-LAN packet goes first")
        elif "power" in device.codec.commands and "off" not in (spec.when or ()):
            waits = profile.power.changing != "answers" and sent < device.power_ready
            over = sent + ANSWER_S
            if device.switched is False:
                notes.append("the scene has switched it off: kept for ten minutes, then dropped")
            elif waits:
                sent = device.power_ready
                notes.append(f"kept until it is warm ({device.power_ready:.0f} s)")
            elif device.switched is None:
                notes.append("needs it on already: the scene doesn't switch it on before")
            ready = max(over, sent + ANSWER_S)
        ready += spec.settle_s + (spec.travel_s or 0)
        device.free = max(device.free, sent + gap / 1000 + spec.settle_s)
    return (
        PlannedStep(
            number=at + 1,
            device=step.device,
            command=step.command,
            value=step.value,
            bytes=frame.hex(" "),
            text=printable(frame) if TOPIC_END in frame else _shown(frame),
            after=after,
            sent=round(sent, 2),
            ready=round(ready, 2),
            notes=tuple(notes),
        ),
        over,
    )


def _shown(frame: bytes) -> str:
    """A frame for people: text with its control characters named, or hex digits."""
    if frame and all(byte < 127 for byte in frame) and sum(byte >= 32 for byte in frame) > 1:
        return frame.decode("ascii").encode("unicode_escape").decode("ascii")
    return frame.hex(" ").upper()

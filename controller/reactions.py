"""`[[triggers]]` and `[[privacy]]` of room.toml: what the room does by itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from devices.model import Value

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]


class TriggerSpec(BaseModel):
    """`[[triggers]]`: when `device` reports `state` with the value `is`, or when the class is
    `session`, `scene` runs; when that is over, `back`.

    It must have been so for `for_s`. `alarm` is shown to the teacher as long as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: Name
    device: str | None = None
    state: str = "contact"
    is_: Value = Field(True, alias="is")
    session: Literal["live", "paused", "free"] | None = None
    for_s: float = Field(0.0, ge=0, le=86_400)
    scene: str | None = None
    back: str | None = None
    alarm: str = ""

    @model_validator(mode="after")
    def _one_cause(self) -> TriggerSpec:
        if (self.device is None) == (self.session is None):
            raise ValueError("a trigger has either a device or a session")
        if self.scene is None and not self.alarm:
            raise ValueError("a trigger does something: give it a scene or an alarm")
        return self


class PrivacySpec(BaseModel):
    """`[[privacy]]`: where `camera` looks when no class is on (`idle`) and when one is (`ready`): a
    preset's number, or `"home"`. It turns away `after_s` after the class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera: str
    idle: int | Literal["home"]
    ready: int | Literal["home"] | None = None
    after_s: float = Field(60.0, ge=0, le=86_400)

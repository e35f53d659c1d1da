"""`[streaming]` of room.toml: who may watch a class live, who may speak, where it is pushed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streaming import loudspeaker
from streaming.access import Visibility
from streaming.push import PushSpec


def _is_output(text: str) -> str:
    loudspeaker.parse(text)
    return text


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TalkSection(_Table):
    """`[streaming.talk]`: who watches from elsewhere may ask to speak into the room.

    `output`: where the room hears them, `pulse://SINK` or `alsa://DEVICE`; without one they are
    recorded only, by a source `webrtc://talk`.
    """

    enabled: bool = False
    output: Annotated[str, AfterValidator(_is_output)] | None = None


class StreamingSection(_Table):
    """`[streaming]`: who may watch a class that says nothing else, and where it is pushed.

    `courses`: another visibility for single courses. `share`: screens may be shared from browsers;
    `whep`: how many may watch by WebRTC at a time (both need classroomd[webrtc]).
    """

    visibility: Visibility = Visibility.NOBODY
    courses: dict[str, Visibility] = Field(default_factory=dict)
    share: bool = True
    whep: int = Field(default=8, ge=0, le=50)
    push: list[PushSpec] = Field(default_factory=list)
    talk: TalkSection = TalkSection()

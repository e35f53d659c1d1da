"""What a door is told when the room cannot do what was asked."""

from __future__ import annotations


class ClassroomError(Exception):
    """One refusal: `code` for programs, `message` and `remedy` for people, `status` for HTTP.

    Codes in use: `no_session`, `not_allowed_now`, `unknown_device`, `unknown_command`,
    `unknown_layout`, `unknown_scene`, `unknown_recording`, `unknown_target`, `unknown_delivery`,
    `bad_value`, `bad_cut`, `still_recording`, `edit_under_way`, `no_lecture`, `last_copy`,
    `nothing_to_restore`, `bad_metadata`, `damaged_recording`, `no_source`, `disk_full`,
    `not_ready`, `recorder`, `no_deliveries`, `stopping`.
    """

    def __init__(self, code: str, message: str, remedy: str = "", status: int = 409) -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.code = code
        self.message = message
        self.remedy = remedy
        self.status = status

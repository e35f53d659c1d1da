"""A link: one way to one device, as bytes or messages. Callbacks run on the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable


class LinkError(Exception):
    """The link could not be opened or used; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    @property
    def sentence(self) -> str:
        """What happened and, where that is known, what to do."""
        return f"{self} ({self.remedy})" if self.remedy else str(self)


class Link(ABC):
    """One connection. After `close` or a loss it is opened again by a fresh `open`.

    `datagram`: what is written and received are whole messages. `lost` holds why the connection
    went away, None while it stands. `on_late` gets the answer to a message that a newer one has
    followed, on links that know which answer belongs to which message.
    """

    datagram = False

    def __init__(self) -> None:
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_late: Callable[[bytes], None] = lambda data: None
        self.on_lost: Callable[[str], None] = lambda why: None
        self.lost: str | None = "not connected"

    @property
    @abstractmethod
    def address(self) -> str:
        """For people: where this link leads. Holds no secret."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises LinkError."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send. Raises LinkError when the link is lost."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect; never raises."""

    async def start_tls(self) -> None:
        """Continue encrypted (TCP only)."""
        raise LinkError("this transport can't be encrypted", "use tcp://")

    def _gone(self, why: str) -> None:
        if self.lost is None:
            self.lost = why
            self.on_lost(why)

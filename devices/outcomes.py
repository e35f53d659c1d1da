"""What an answer, or none, means for what is known of a device, what waits and what moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.clock import Clock
from devices.codec import Codec, Meaning
from devices.conversation import Conversation
from devices.knowledge import Knowledge
from devices.moves import Moves
from devices.queue import Item
from devices.reading import Reader
from devices.waiting import Waiting, keepable


class Outcomes:
    """Finishes items. `answered` is told that the device answers, `identified` that something was
    read that may tell who it is."""

    def __init__(
        self,
        codec: Codec,
        knowledge: Knowledge,
        waiting: Waiting,
        reader: Reader,
        moves: Moves,
        conversation: Conversation,
        clock: Clock,
        *,
        answered: Callable[[], None],
        identified: Callable[[], None],
    ) -> None:
        self._codec, self._knowledge, self._waiting = codec, knowledge, waiting
        self._reader, self._moves, self._conversation = reader, moves, conversation
        self._clock, self._answered, self._identified = clock, answered, identified

    def unanswered(self, item: Item) -> None:
        """No answer came, however often it was sent."""
        if item.request.command.name == "power" and self._knowledge.power.silent():
            # A device that is mute in standby may have understood all the same.
            self._confirm(item, {})
            return
        again = "; sent again later" if keepable(item.request) else ""
        self._waiting.keep(item, f"no answer{again}")

    def concluded(self, item: Item, meaning: Meaning) -> None:
        """The answer came."""
        item.mark_answered()
        self._answered()
        request, name = item.request, item.request.command.name
        if request.action == "get":
            if meaning.kind == "report":
                self._reader.was_read(name)
                self._knowledge.apply(meaning.states, self._waiting.held)
                self._identified()
                item.finish("confirmed")
                return
            if meaning.error_class == "undefined":
                self._reader.unsupported(name)
            item.finish("refused", meaning.detail)
        elif meaning.kind == "ack":
            self._confirm(item, meaning.states)
        elif meaning.error_class == "unavailable" and keepable(request):
            self._waiting.keep(item, meaning.detail)
            self._reader.read("power")
        elif meaning.kind == "busy":
            self._waiting.keep(item, meaning.detail or "the device is busy")
        else:
            if item.is_stop:
                self._moves.refused(item.key, request)
            self._knowledge.undesire(request)
            item.finish("refused", meaning.detail)

    def _confirm(self, item: Item, states: Any) -> None:
        request, spec = item.request, item.request.command.spec
        if request.command.name == "power" and self._knowledge.has_power:
            self._knowledge.undesire(request)
            on = bool(request.value)
            self._knowledge.power_by(lambda: self._knowledge.power.commanded(on))
            self._reader.soon()
        elif spec.travel_s and request.value not in (None, spec.stop):
            self._moves.travels(item.key, request, self._knowledge, self._clock)
        else:
            self._knowledge.apply(states, {})
        self._knowledge.undesire(request)
        self._conversation.settled_until = self._clock.now() + spec.settle_s
        if item.is_stop or request.value == spec.stop:
            self._moves.ended(item.key)
            if not request.command.acks:
                self._moves.unacknowledged(item.key, request)
        elif spec.stop is not None:
            halt = self._codec.set(request.command.name, spec.stop)
            self._moves.begun(item.key, halt, spec.deadman_s)
        if spec.verify:
            self._reader.read(request.command.name)
        item.finish("confirmed")
        self._knowledge.show()

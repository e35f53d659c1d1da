"""The log, the state that follows from it, and the answers."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.tablets import ink
from devices.tablets import state as lesson_state
from devices.tablets.log import Entry
from devices.tablets.replica import Replica
from devices.tablets.snapshot import Snapshot

PAGES = [
    {"id": f"p{n}", "kind": "image", "title": f"Page {n}", "url": None, "image": f"/p{n}.jpg"}
    for n in range(4)
]
POINTS = ink.encode([(10, 10, 128), (400, 300, 200)])

page = st.sampled_from(["p0", "p1", "p2", "p3", "nowhere"])
stroke = st.sampled_from([f"k{n}" for n in range(6)])
seats = st.sampled_from(["lecturer", "s1", "s2"])
question = st.sampled_from(["q1", "q2", "q3"])
bodies: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "page": st.fixed_dictionaries({"page": page, "show_at": st.integers(0, 9)}),
    "ink": st.fixed_dictionaries(
        {
            "page": page,
            "stroke": stroke,
            "part": st.integers(0, 3),
            "points": st.just(POINTS),
            "color": st.just("#112233"),
            "width": st.just(3.0),
        }
    ),
    "erase": st.fixed_dictionaries(
        {"page": page, "strokes": st.lists(stroke, max_size=3), "any": st.booleans()}
    ),
    "clear": st.fixed_dictionaries({"page": page}),
    "add_page": st.fixed_dictionaries(
        {
            "page": st.fixed_dictionaries({"id": st.sampled_from(["x1", "p1"])}),
            "after": page,
        }
    ),
    "deck": st.fixed_dictionaries(
        {"deck": st.just({"id": "d"}), "pages": st.sampled_from([PAGES[:2], PAGES, []])}
    ),
    "timer": st.fixed_dictionaries({"timer": st.sampled_from([None, {"id": "t", "ends_at": 5}])}),
    "attention": st.fixed_dictionaries({"on": st.booleans(), "text": st.text(max_size=5)}),
    "mode": st.fixed_dictionaries({"mode": st.sampled_from(["follow", "free", "lock"])}),
    "push": st.fixed_dictionaries({"id": st.text(max_size=4), "url": st.just("/x")}),
    "ask": st.fixed_dictionaries(
        {
            "questions": st.lists(st.fixed_dictionaries({"id": question}), max_size=2),
            "deadline": st.none() | st.integers(0, 9),
        }
    ),
    "close": st.fixed_dictionaries({"questions": st.lists(question, max_size=2)}),
    "reveal": st.fixed_dictionaries(
        {"question": question, "result": st.just({"answered": 2}), "correct": st.none()}
    ),
    "permit": st.fixed_dictionaries({"seat": seats, "ink": st.booleans()}),
    "share": st.fixed_dictionaries({"sheet": st.none() | st.just({"strokes": []})}),
    "inquiry": st.just({"name": "", "text": "Why?", "remote": True}),
    "inquiry_shown": st.fixed_dictionaries(
        {
            "inquiry": question,
            "name": st.just(""),
            "text": st.text(max_size=5),
            "remote": st.booleans(),
        }
    ),
    "inquiry_done": st.fixed_dictionaries({"inquiry": question}),
    "unheard_of": st.just({}),
}
events = st.lists(
    st.sampled_from(sorted(bodies)).flatmap(
        lambda kind: st.tuples(st.just(kind), seats, bodies[kind])
    ),
    max_size=40,
)


def wire(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def welcome() -> str:
    return wire("welcome", session="c1", host=True, you={"seat": "s1"})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=events, data=st.data())
def test_joining_at_any_sequence_equals_having_been_there(events: Any, data: st.DataObject) -> None:
    entries = [
        Entry(n, f"e{n}", kind, author, body, n)
        for n, (kind, author, body) in enumerate(events, start=1)
    ]
    always = lesson_state.empty("c1")
    snapshot = Snapshot(always)
    snapshots = [snapshot.texts()]
    for entry in entries:
        lesson_state.apply(always, entry)
        snapshot.note(entry)
        snapshots.append(snapshot.texts())

    joined_at = data.draw(st.integers(0, len(entries)))
    late = Replica()
    late.hello()
    late.take(welcome())
    # Live entries arrive in any order, before, between and after the parts of the snapshot.
    live = [wire("log", entries=[entry.public()]) for entry in entries[max(0, joined_at - 3) :]]
    data.draw(st.randoms(use_true_random=False)).shuffle(live)
    early = data.draw(st.integers(0, len(live)))
    asked = []
    for text in live[:early]:
        asked += late.take(text)
    for text in snapshots[joined_at]:
        late.take(text)
    asked += late.take(wire("ready", seq=joined_at))
    for text in live[early:]:
        asked += late.take(text)
    assert late.state == json.loads(json.dumps(always))
    for gap in asked:
        assert gap["type"] == "gap"
        assert gap["after"] < gap["upto"] + 1 <= len(entries)


def test_a_whole_class_that_joins_is_told_what_was_made_once() -> None:
    state = lesson_state.empty("c1")
    snapshot = Snapshot(state)

    def put(kind: str, body: dict[str, Any]) -> None:
        entry = Entry(state["seq"] + 1, "", kind, "lecturer", body, 0)
        lesson_state.apply(state, entry)
        snapshot.note(entry)

    put("deck", {"deck": {"id": "d"}, "pages": PAGES})
    for number in range(3000):
        stroke = {"stroke": f"k{number}", "part": 0, "points": POINTS, "color": "#1", "width": 3}
        put("ink", {"page": f"p{number % 2}", **stroke})
    first = snapshot.texts()
    assert json.loads(first[0])["more"] == len(first) - 1 > 4
    assert all(one is other for one, other in zip(first, snapshot.texts(), strict=True))
    put("clear", {"page": "p0"})
    head, *rest = snapshot.texts()
    assert json.loads(head)["more"] == len(rest)
    assert [one for one in first if json.loads(one).get("page") == "p1"] == rest
    assert {id(one) for one in rest} <= {id(one) for one in first}


def test_what_follows_an_entry_does_not_change_it() -> None:
    deck = Entry(1, "e1", "deck", "lecturer", {"deck": {"id": "d"}, "pages": [{"id": "p0"}]}, 1)
    page = Entry(2, "e2", "add_page", "lecturer", {"page": {"id": "x1"}, "after": "p0"}, 2)
    told = copy.deepcopy(deck.body)
    state = lesson_state.empty("c1")
    for entry in (deck, page):
        lesson_state.apply(state, entry)
    assert [one["id"] for one in state["pages"]] == ["p0", "x1"]
    assert deck.body == told  # who asks for the log again gets what was said


@given(st.lists(st.tuples(*[st.integers(0, m) for m in (65535, 65535, 255)]), max_size=100))
def test_ink_survives_the_wire(points: list[tuple[int, int, int]]) -> None:
    assert ink.decode(ink.encode(points)) == points


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.hex()))
def test_damaged_ink_is_refused_or_points(text: str) -> None:
    try:
        for x, y, pressure in ink.decode(text):
            assert 0 <= x <= 65535
            assert 0 <= y <= 65535
            assert 0 <= pressure <= 255
    except ink.InkError:
        pass


async def lesson_with_pages(room: Any) -> Any:
    lesson = await room.open("c1", "Physics")
    await lesson.put("deck", {"deck": {"id": "d", "title": "Deck"}, "pages": PAGES})
    return lesson


async def test_a_page_turn_and_ink_reach_everybody_in_order(room: Any, seat: Any) -> None:
    await lesson_with_pages(room)
    teacher, ada, board = await seat("T", "lecturer"), await seat("Ada"), await seat("B", "board")
    assert (await teacher.say("turn", page="p2"))["type"] == "saved"
    await teacher.say("ink", page="p2", stroke="k1", part=0, points=POINTS)
    await teacher.say("ink", page="p2", stroke="k1", part=1, points=POINTS)
    late = await seat("Late")
    for each in (ada, board, late):
        assert each.replica.state == room.lesson.state
        assert each.replica.state["page"] == "p2"
        assert each.replica.state["ink"]["p2"][0]["parts"] == [POINTS, POINTS]


async def test_a_repeated_command_has_one_effect(room: Any, seat: Any) -> None:
    await lesson_with_pages(room)
    teacher = await seat("T", "lecturer")
    first = await teacher.say("turn", page="p1", id="once")
    before = room.lesson.seq
    again = await teacher.say("turn", page="p1", id="once")
    assert again["seq"] == first["seq"]
    assert room.lesson.seq == before


async def test_a_lost_message_is_asked_for_again(room: Any, seat: Any, until: Any) -> None:
    await lesson_with_pages(room)
    teacher, ada = await seat("T", "lecturer"), await seat("Ada")
    ada.deaf = True
    await teacher.say("turn", page="p1")
    await teacher.say("turn", page="p3")
    ada.deaf = False
    await teacher.say("clear", page="p1")
    await until(lambda: ada.replica.seq == room.lesson.seq)
    assert ada.replica.state == room.lesson.state


async def test_a_restarted_room_continues_the_lesson(room: Any, seat: Any, store: Any) -> None:
    await lesson_with_pages(room)
    teacher, ada = await seat("T", "lecturer"), await seat("Ada")
    await teacher.say("turn", page="p2")
    await teacher.say("ask", questions=[{"id": "q", "kind": "number", "text": "g?"}])
    await ada.say("answer", question="q", value=9.81)
    state = copy.deepcopy(room.lesson.state)
    await room.stop()
    await room.start()
    lesson = await room.open("c1", "Physics")
    assert lesson.state == state
    assert lesson.result("q")["answered"] == 1
    assert [t.name for t in room.pairing.tablets()] == ["T", "Ada"]


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("single", 1, True),
        ("single", 5, False),
        ("single", True, False),
        ("single", "1", False),
        ("multiple", [0, 2, 2], True),
        ("multiple", [9], False),
        ("multiple", 1, False),
        ("number", 3.5, True),
        ("number", float("inf"), False),
        ("number", "3", False),
        ("words", "light, heat", True),
        ("words", "  ", False),
        ("text", "x" * 3000, False),
        ("ink", [{"points": POINTS}], True),
        ("ink", [{"points": "!!"}], False),
        ("ink", [], False),
    ],
)
async def test_answers_are_checked(room: Any, seat: Any, kind: str, value: Any, good: bool) -> None:
    await lesson_with_pages(room)
    teacher, ada = await seat("T", "lecturer"), await seat("Ada")
    asked = [{"id": "q", "kind": kind, "text": "?", "choices": ["a", "b", "c"]}]
    await teacher.say("ask", questions=asked)
    reply = await ada.say("answer", question="q", value=value)
    assert (reply["type"] == "saved") is good, reply
    assert room.lesson.result("q")["answered"] == good


async def test_results_count_people(room: Any, seat: Any, until: Any) -> None:
    await lesson_with_pages(room)
    teacher = await seat("T", "lecturer")
    ada, bob, eve = [await seat(name) for name in ("Ada", "Bob", "Eve")]
    asked = [{"id": "q", "kind": "multiple", "text": "?", "choices": ["a", "b", "c"]}]
    await teacher.say("ask", questions=asked)
    await ada.say("answer", question="q", value=[0, 1])
    await bob.say("answer", question="q", value=[1])
    await bob.say("answer", question="q", value=[2])
    await until(
        lambda: any(r["answered"] == 2 for m in teacher.heard for r in m.get("results", ()))
    )
    result = teacher.last("results")["results"][0]
    assert result["counts"] == [1, 1, 1]
    assert result["missing"] == ["Eve"]
    assert not any(m["type"] == "results" for m in eve.heard)
    await teacher.say("reveal", question="q", correct=True)
    assert eve.replica.state["questions"][0]["result"]["counts"] == [1, 1, 1]


async def test_late_and_offline_answers(room: Any, seat: Any, clock: Any) -> None:
    lesson = await lesson_with_pages(room)
    teacher, ada, bob = await seat("T", "lecturer"), await seat("Ada"), await seat("Bob")
    keep = {"id": "keep", "kind": "number", "text": "?", "late": "keep"}
    count = {"id": "count", "kind": "number", "text": "?", "late": "count"}
    await teacher.say("ask", questions=[keep, count])
    clock.ahead += 1000
    await teacher.say("close", questions=["keep", "count"])
    in_time, too_late = clock() - 500, clock() + 500
    clock.ahead += 5000
    say = ada.say
    assert (await say("answer", question="keep", value=1, at=in_time))["state"] == "saved"
    assert (await say("answer", question="count", value=1, at=in_time))["state"] == "counted"
    assert (await bob.say("answer", question="count", value=1, at=too_late))["state"] == "saved"
    assert lesson.result("keep")["answered"] == 0
    assert lesson.result("count")["answered"] == 1
    await teacher.say("reveal", question="count")
    assert (await bob.say("answer", question="count", value=2, at=in_time))["state"] == "saved"
    assert lesson.result("count")["answered"] == 1


async def test_an_answer_is_counted_once_however_often_it_is_sent(room: Any, seat: Any) -> None:
    await lesson_with_pages(room)
    teacher, ada = await seat("T", "lecturer"), await seat("Ada")
    await teacher.say("ask", questions=[{"id": "q", "kind": "number", "text": "?"}])
    await asyncio.gather(*[ada.say("answer", question="q", value=1, id="same") for _ in range(20)])
    await ada.say("answer", question="q", value=2, id="newer")
    replay = await ada.say("answer", question="q", value=1, id="same")
    assert replay["standing"] == "newer"
    assert replay["value"] == 2
    assert room.lesson.result("q")["mean"] == 2


async def test_no_answer_is_lost_or_doubled_when_a_third_is_cut_off(room: Any, seat: Any) -> None:
    """The room is reached by a link that loses messages and replies; clients repeat."""
    chance = random.Random(7)
    await lesson_with_pages(room)
    teacher = await seat("T", "lecturer")
    questions = [{"id": f"q{n}", "kind": "number", "text": "?"} for n in range(3)]
    await teacher.say("ask", questions=questions)
    members = [await seat(f"S{n}") for n in range(60)]

    async def insist(member: Any, number: int, question: str) -> None:
        ident = f"{number}-{question}"
        while True:
            member.deaf = chance.random() < 0.3
            if chance.random() < 0.3:
                member.deaf = False
                continue
            if member.deaf:
                await room.leave(member)
            reply = await member.say("answer", question=question, value=number, id=ident)
            if member.deaf:
                member.deaf = False
                await member.hello()
                continue
            if reply.get("id") == ident and reply["type"] == "saved":
                return

    await asyncio.gather(*[insist(m, n, q["id"]) for n, m in enumerate(members) for q in questions])
    for asked in questions:
        result = room.lesson.result(asked["id"])
        assert result["answered"] == 60
        assert sorted(value for value, times in result["counts"]) == list(range(60))[:50]
        assert all(times == 1 for _, times in result["counts"])


async def test_quiz_closes_at_its_deadline(room: Any, seat: Any, clock: Any, until: Any) -> None:
    lesson = await lesson_with_pages(room)
    teacher, ada = await seat("T", "lecturer"), await seat("Ada")
    await teacher.say("ask", questions=[{"id": "q", "kind": "number", "text": "?"}], seconds=10)
    assert 9_000 < lesson.state["questions"][0]["deadline"] - clock() <= 10_000
    clock.ahead += 10_200
    assert (await ada.say("answer", question="q", value=1, at=clock()))["state"] == "counted"
    clock.ahead += 1000
    await until(lambda: lesson.state["questions"][0]["state"] == "closed")
    assert ada.replica.state["questions"][0]["state"] == "closed"

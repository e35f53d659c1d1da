"""What a lesson looks like after its log so far: a pure function of the entries.

The same rules stand in the tablet page (dashboard/web/src/tablet/state.ts). Every entry has a
defined effect on every state; one that makes no sense has none. So a client that starts from a
snapshot at any sequence number and applies the tail is equal to one that saw every entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devices.tablets.log import Entry

MAX_PUSHED = 20
State = dict[str, Any]


def empty(session: str) -> State:
    """The state of a lesson whose log is empty."""
    return {
        "session": session,
        "seq": 0,
        "title": "",
        "deck": None,
        "pages": [],
        "page": None,
        "show_at": 0,
        "ink": {},
        "mode": "follow",
        "attention": None,
        "timer": None,
        "driver": None,
        "questions": [],
        "pushed": [],
        "permits": [],
        "shared": None,
        "inquiry": None,
        "ended": False,
    }


def apply(state: State, entry: Entry) -> None:
    """Changes `state` by `entry`, which must be the next in sequence."""
    if entry.seq != state["seq"] + 1:
        raise ValueError(f"entry {entry.seq} does not follow {state['seq']}")
    state["seq"] = entry.seq
    if rule := _RULES.get(entry.kind):
        rule(state, entry)


def _begin(state: State, entry: Entry) -> None:
    state["title"] = entry.body["title"]


def _deck(state: State, entry: Entry) -> None:
    state["deck"] = entry.body["deck"]
    state["pages"] = list(entry.body["pages"])
    if state["page"] not in {page["id"] for page in state["pages"]}:
        state["page"] = state["pages"][0]["id"] if state["pages"] else None


def _add_page(state: State, entry: Entry) -> None:
    ids = [page["id"] for page in state["pages"]]
    if entry.body["page"]["id"] in ids:
        return
    after = entry.body["after"]
    at = ids.index(after) + 1 if after in ids else len(ids)
    state["pages"].insert(at, entry.body["page"])


def _page(state: State, entry: Entry) -> None:
    if any(page["id"] == entry.body["page"] for page in state["pages"]):
        state["page"] = entry.body["page"]
        state["show_at"] = entry.body["show_at"]
        state["shared"] = None


def _ink(state: State, entry: Entry) -> None:
    body = entry.body
    strokes = state["ink"].setdefault(body["page"], [])
    if body["part"] > 0:
        for stroke in reversed(strokes):
            if stroke["id"] == body["stroke"]:
                if len(stroke["parts"]) == body["part"] and stroke["author"] == entry.author:
                    stroke["parts"].append(body["points"])
                break
    elif all(stroke["id"] != body["stroke"] for stroke in strokes):
        strokes.append(
            {
                "id": body["stroke"],
                "author": entry.author,
                "color": body["color"],
                "width": body["width"],
                "parts": [body["points"]],
            }
        )


def _erase(state: State, entry: Entry) -> None:
    gone = set(entry.body["strokes"])
    page = entry.body["page"]
    if page in state["ink"]:
        own = None if entry.body["any"] else entry.author
        state["ink"][page] = [
            stroke
            for stroke in state["ink"][page]
            if stroke["id"] not in gone or (own is not None and stroke["author"] != own)
        ]


def _clear(state: State, entry: Entry) -> None:
    state["ink"].pop(entry.body["page"], None)


def _timer(state: State, entry: Entry) -> None:
    state["timer"] = entry.body["timer"]


def _attention(state: State, entry: Entry) -> None:
    state["attention"] = entry.body["text"] if entry.body["on"] else None


def _mode(state: State, entry: Entry) -> None:
    state["mode"] = entry.body["mode"]


def _push(state: State, entry: Entry) -> None:
    state["pushed"] = [*state["pushed"], entry.body][-MAX_PUSHED:]


def _ask(state: State, entry: Entry) -> None:
    known = {question["id"] for question in state["questions"]}
    for question in entry.body["questions"]:
        if question["id"] not in known:
            state["questions"].append(
                {
                    **question,
                    "state": "open",
                    "deadline": entry.body["deadline"],
                    "result": None,
                    "correct": None,
                }
            )


def _close(state: State, entry: Entry) -> None:
    for question in state["questions"]:
        if question["id"] in entry.body["questions"] and question["state"] == "open":
            question["state"] = "closed"


def _reveal(state: State, entry: Entry) -> None:
    for question in state["questions"]:
        if question["id"] == entry.body["question"]:
            question["result"] = entry.body["result"]
            question["correct"] = entry.body["correct"]


def _share(state: State, entry: Entry) -> None:
    state["shared"] = entry.body["sheet"]


def _inquiry_shown(state: State, entry: Entry) -> None:
    body = entry.body
    told = {key: body[key] for key in ("name", "text", "remote")}
    state["inquiry"] = {"id": body["inquiry"], **told}


def _inquiry_done(state: State, entry: Entry) -> None:
    if state["inquiry"] is not None and state["inquiry"]["id"] == entry.body["inquiry"]:
        state["inquiry"] = None


def _permit(state: State, entry: Entry) -> None:
    kept = set(state["permits"]) - {entry.body["seat"]}
    if entry.body["ink"]:
        kept.add(entry.body["seat"])
    state["permits"] = sorted(kept)


def _driver(state: State, entry: Entry) -> None:
    state["driver"] = entry.body["driver"]


def _end(state: State, entry: Entry) -> None:
    state["ended"] = True


_RULES: dict[str, Callable[[State, Entry], None]] = {
    "begin": _begin,
    "deck": _deck,
    "add_page": _add_page,
    "page": _page,
    "ink": _ink,
    "erase": _erase,
    "clear": _clear,
    "timer": _timer,
    "attention": _attention,
    "mode": _mode,
    "push": _push,
    "ask": _ask,
    "close": _close,
    "reveal": _reveal,
    "share": _share,
    "inquiry_shown": _inquiry_shown,
    "inquiry_done": _inquiry_done,
    "permit": _permit,
    "driver": _driver,
    "end": _end,
}

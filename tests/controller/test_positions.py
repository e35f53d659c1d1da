"""Lines of keys in TOML texts of every shape."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.positions import positions

TEXT = """# a comment with [brackets] and "quotes"
a = 1
[room]
id = "x" # not [a.table]
"we.ird" = '''first
]] second
'''
languages = [
  "en",
  # not an element
  "ar", ]
[[devices]]
id = "d0"
options.deep.key = {x = 1, y = [1, {z = 2}]}
[devices.more]
k = 1.5
[[devices]]
id = 'd1'
quoted = \"\"\"ends with two quotes\"\"\"\"\"
after = 2020-01-01T00:00:00Z
[[scenes]]
id = "s"
steps = [
  {device = "a", command = "p\\"]"},
  {device = "b"},
]
[[scenes.late]]
n = 1
[[scenes.late]]
n = 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("room",), 3),
        (("room", "we.ird"), 5),
        (("room", "languages"), 8),
        (("room", "languages", 1), 11),
        (("devices", 0, "id"), 13),
        (("devices", 0, "options", "deep", "key", "y", 1, "z"), 14),
        (("devices", 0, "more", "k"), 16),
        (("devices", 1), 17),
        (("devices", 1, "after"), 20),
        (("scenes", 0, "steps", 1, "device"), 25),
        (("scenes", 0, "late", 1, "n"), 30),
    ],
)
def test_line_of(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert positions(TEXT)[path] == line


def paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path} if path else set()
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, part in items:
        found |= paths(part, (*path, key))
    return found


keys = st.text("ab-_ .\"'#[]=é", min_size=1, max_size=5)
leaves = (
    st.integers(-9, 9) | st.booleans() | st.text("x\"'\\#]}\n,= ", max_size=6) | st.floats(0, 1)
)
trees = st.recursive(
    leaves,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, trees, max_size=4))
def test_every_path_of_every_text_is_found(tree: dict[str, Any]) -> None:
    import tomlkit

    text = tomlkit.dumps(tree)
    assert paths(tomllib.loads(text)) <= set(positions(text))

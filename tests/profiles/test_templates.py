"""Templates build what they match, and match what they build; nothing that arrives breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.fields import TemplateError, Unmapped, ValueMap
from firmware_profiles.messages import JsonTemplate, compile_template
from firmware_profiles.osc import osc_datagram, osc_text
from firmware_profiles.template import BytesTemplate

ON_OFF = {"value": ValueMap({"on": "01", "off": "00"})}


@pytest.mark.parametrize(
    ("source", "fields", "body"),
    [
        ("AA {id} {value:u16}", {"id": 1, "value": 0x1234}, "aa011234"),
        ("{value:u16le} {x:s8}", {"value": 0x1234, "x": -2}, "3412fe"),
        ("8{id} 01 {value:n4} FF", {"id": 1, "value": 0x4000}, "8101 04000000 ff"),
        ("{value:sn4}", {"value": -1}, "0f0f0f0f"),
        ("{id*16+0x80} 5? ??", {"id": 1}, "90 51 11"),
        ("'0A' {value:03d} {x:02X}", {"value": 7, "x": 0xAB}, "3041 303037 4142"),
        ("{len} 41 {value:s}", {"value": "abc"}, "04 41 616263"),
        ("{len+2} 01 02", {}, "04 01 02"),
        ("FF {mac:hex}", {"mac": "aa:bb:cc:dd:ee:ff"}, "ff aabbccddeeff"),
    ],
)
def test_hex_both_ways(source: str, fields: dict[str, object], body: str) -> None:
    template = BytesTemplate(source, "hex")
    built = template.build(fields)
    assert built == bytes.fromhex(body)
    found = template.match(built)
    assert found is not None
    assert {k: str(v).replace(":", "") for k, v in found.items()} == {
        k: str(v).replace(":", "") for k, v in fields.items()
    }


@pytest.mark.parametrize(
    ("source", "fields", "body"),
    [
        ("%1POWR {value}", {"value": "?"}, b"%1POWR ?"),
        ("k {id:02x} {value:03d}", {"id": 26, "value": 5}, b"k 1a 005"),
        ("{{{value:.2f}}}", {"value": 0.5}, b"{0.50}"),
        ("a{value:d}b{x}", {"value": -3, "x": "y z"}, b"a-3by z"),
    ],
)
def test_text_both_ways(source: str, fields: dict[str, object], body: bytes) -> None:
    template = BytesTemplate(source, "text")
    assert template.build(fields) == body
    assert template.match(body) == fields


def test_mapped_values() -> None:
    template = BytesTemplate("11 {value}", "hex", ON_OFF)
    assert template.build({"value": True}) == b"\x11\x01"
    assert template.match(b"\x11\x00") == {"value": "off"}
    unknown = template.match(b"\x11\x77")
    assert unknown is not None and isinstance(unknown["value"], Unmapped)
    with pytest.raises(TemplateError, match="none of on, off"):
        template.build({"value": "maybe"})


def test_tokens_may_hold_fields() -> None:
    tokens = ValueMap({"stop": "00", "tele": "2{speed}", "wide": "3{speed}"})
    template = BytesTemplate("07 {value}", "hex", {"value": tokens})
    assert template.build({"value": "wide", "speed": 5}) == b"\x07\x35"
    assert template.match(b"\x07\x24") == {"value": "tele", "speed": 4}
    assert template.match(b"\x07\x00") == {"value": "stop"}
    assert template.match(b"\x07\x99") is None


def test_the_same_field_twice_must_agree() -> None:
    template = BytesTemplate("{id} {id}", "hex")
    assert template.match(b"\x01\x01") == {"id": 1}
    assert template.match(b"\x01\x02") is None


def test_a_field_many_times_is_found_without_trying_all_splits() -> None:
    template = BytesTemplate("FF " + "{mac:hex} " * 16, "hex")
    body = template.build({"mac": "11:22:33:44:55:66"})
    assert template.match(body) == {"mac": "112233445566"}
    assert template.match(body[:-1] + b"\x00") is None


def test_known_fields_bind() -> None:
    template = BytesTemplate("{id} {value}", "hex")
    assert template.match(b"\x01\x02", {"id": 1}) is not None
    assert template.match(b"\x01\x02", {"id": 2}) is None


def test_json_takes_more_keys_and_exact_types() -> None:
    values = {"value": ValueMap({"on": True, "off": False})}
    template = JsonTemplate({"id": "{seq}", "result": {"output": "{value}"}}, values)
    built = template.build({"seq": 7, "value": False})
    assert built == b'{"id":7,"result":{"output":false}}'
    body = b'{"id":7,"src":"x","result":{"output":true,"t":21.5}}'
    assert template.match(body, {"seq": 7}) == {"seq": 7, "value": "on"}
    assert template.match(body, {"seq": 8}) is None
    assert template.match(b'{"result":{}}') is None
    assert template.match(b"no json") is None


def test_json_null() -> None:
    template = JsonTemplate({"audio": {"mute": "{null}"}})
    assert template.build({}) == b'{"audio":{"mute":null}}'
    assert template.match(b'{"audio":{"mute":null}}') == {}
    assert template.match(b'{"audio":{"mute":true}}') is None


def test_osc_query_with_empty_tags() -> None:
    assert osc_text(osc_datagram(b"/xinfo")) == b"/xinfo"


def test_mqtt_keys_by_option() -> None:
    source = {"topic": "stat/{topic}/RESULT", "json": {"POWER{index}": "{value}"}}
    template = compile_template(source, "text", {"value": ValueMap({"on": "ON", "off": "OFF"})})
    body = b'stat/screen/RESULT\0{"POWER1":"OFF","POWER2":"ON"}'
    assert template.match(body, {"topic": "screen", "index": "2"}) == {
        "topic": "screen",
        "index": "2",
        "value": "on",
    }


@pytest.mark.parametrize(
    "source", ["{value", "1", "AA {x:u9}", "{UPPER}", "{a b}", "AA {} 01", "zz"]
)
def test_wrong_templates_are_told(source: str) -> None:
    with pytest.raises(TemplateError):
        BytesTemplate(source, "hex")


@given(st.binary(max_size=200))
def test_any_bytes_match_or_dont(data: bytes) -> None:
    for source in ("AA {id} {len} {value}", "{value:n4} FF", "{a:s}{value:04X}", "9? {value:s16}"):
        template = BytesTemplate(source, "hex", ON_OFF if "{value}" in source else None)
        found = template.match(data)
        assert found is None or isinstance(found, dict)
    JsonTemplate({"a": ["{value}"]}).match(data)
    text = osc_text(data)
    assert text is None or text.startswith(b"/")


@given(st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_osc_round_trip(number: int, level: float) -> None:
    text = f'/ch/01/mix ,ifs {number} {level:.6g} "a b"'.encode()
    back = osc_text(osc_datagram(text))
    assert back is not None
    words = back.split(b" ", 4)
    assert int(words[2]) == number
    assert float(words[3]) == pytest.approx(level, rel=1e-5, abs=1e-37)


def test_osc_documented_bytes() -> None:
    wanted = "2f63682f30312f6d69782f666164657200000000 2c660000 3f400000"
    assert osc_datagram(b"/ch/01/mix/fader ,f 0.75") == bytes.fromhex(wanted)

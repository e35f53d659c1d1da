"""SOAP documents as ONVIF uses them, and their short form, which profiles are written in.

The short form of a document is its body with fixed prefixes (`tds`, `trt`, `tptz`, `tt`), no
namespace declarations, no white space between elements, sorted attributes, numbers in `x`, `y` and
`z` with three decimals and no `space`: whatever prefixes and order a camera likes, a template
matches. In it only `<` and `"` are escaped, so that addresses read as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

NAMESPACES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
}
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_PREFIXES["http://schemas.xmlsoap.org/soap/envelope/"] = "s"
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())

LONGEST = 1_000_000
DEEPEST = 40


class SoapError(ValueError):
    """No SOAP document."""


@dataclass
class Element:
    """One element; `name` is `prefix:local` with the prefixes of `NAMESPACES` (`x:` for others)."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def find(self, *path: str) -> Element | None:
        """The first element down this path of names."""
        here: Element | None = self
        for name in path:
            here = next((c for c in here.children if c.name == name), None) if here else None
        return here

    def said(self, *path: str) -> str:
        """The text of that element, empty when there is none."""
        found = self.find(*path)
        return "" if found is None else found.text

    def all(self, name: str) -> Iterator[Element]:
        """Every element of that name below this one."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.all(name)

    def short(self) -> str:
        """The short form."""
        marks = "".join(f' {key}="{value}"' for key, value in sorted(self._shown()))
        inner = _escaped(self.text) + "".join(child.short() for child in self.children)
        return f"<{self.name}{marks}>{inner}</{self.name}>" if inner else f"<{self.name}{marks}/>"

    def _shown(self) -> Iterator[tuple[str, str]]:
        for key, value in self.attributes.items():
            if key in ("x", "y", "z"):
                yield key, _number(value)
            elif key != "space":
                yield key, _escaped(value).replace('"', "&quot;")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


def _number(text: str) -> str:
    try:
        return f"{round(float(text), 3) + 0.0:.3f}"
    except (ValueError, OverflowError):
        return _escaped(text).replace('"', "&quot;")


def parse(document: bytes) -> Element:
    """The envelope. Raises SoapError; entities and document types are refused, prefixes that a
    camera forgot to declare are understood by custom."""
    if len(document) > LONGEST:
        raise SoapError("too long")
    root = Element("")
    stack = [(root, dict[str, str]())]

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            raise SoapError("too deep")
        above, scope = stack[-1]
        declared = {
            key.removeprefix("xmlns").removeprefix(":"): uri
            for key, uri in attributes.items()
            if key == "xmlns" or key.startswith("xmlns:")
        }
        scope = {**scope, **declared} if declared else scope
        element = Element(_named(name, scope))
        for key, value in attributes.items():
            if key != "xmlns" and not key.startswith("xmlns:"):
                element.attributes[_named(key, scope) if ":" in key else key] = value
        above.children.append(element)
        stack.append((element, scope))

    def end(name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1][0].text += data

    def refuse(*_: object) -> None:
        raise SoapError("a document type is not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError) as error:
        raise error if isinstance(error, SoapError) else SoapError(str(error)) from error
    if len(root.children) != 1 or root.children[0].name != "s:Envelope":
        raise SoapError("no SOAP envelope")
    _trim(root)
    return root.children[0]


def _trim(element: Element) -> None:
    element.text = element.text.strip()
    for child in element.children:
        _trim(child)


def _named(name: str, scope: dict[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    if not colon:
        prefix, local = "", name
    uri = scope.get(prefix)
    if uri is None:
        custom = "tptz" if prefix == "ptz" else prefix
        return f"{custom if custom in NAMESPACES else 'x'}:{local}"
    return f"{_PREFIXES.get(uri, 'x')}:{local}"


def body(envelope: Element) -> Element:
    """What the message says: the one element inside the body. Raises SoapError."""
    inside = envelope.find("s:Body")
    if inside is None or not inside.children:
        raise SoapError("an empty body")
    return inside.children[0]


def fault(answer: Element) -> str | None:
    """The innermost code of a fault, such as `ter:NotAuthorized`; None when it is none."""
    if answer.name != "s:Fault":
        return None
    codes = [value.text for code in ("s:Value", "faultcode", "x:faultcode")
             for value in answer.all(code) if value.text]  # fmt: skip
    return codes[-1] if codes else "fault"


def envelope(short: str, header: str = "") -> bytes:
    """A document around a body in the short form."""
    inner = re.sub(r"&(?!lt;|quot;)", "&amp;", short)
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<s:Envelope {_DECLARED}>{head}<s:Body>{inner}</s:Body></s:Envelope>"
    ).encode()

"""OSC 1.0: a message as a datagram, and as the text that templates are written in."""

from __future__ import annotations

import json
import re
import struct

from firmware_profiles.fields import TemplateError


def osc_datagram(text: bytes) -> bytes:
    """`/address ,tags arg…` as the datagram that OSC 1.0 defines (tags i, f, s, T, F)."""
    address, *rest = osc_words(text.decode())
    tags = rest[0] if rest else ","
    out, values = _osc_string(address) + _osc_string(tags), iter(rest[1:])
    for tag in tags[1:]:
        if tag == "i":
            out += struct.pack(">i", int(float(next(values))))
        elif tag == "f":
            out += struct.pack(">f", float(next(values)))
        elif tag == "s":
            out += _osc_string(next(values))
        elif tag not in "TFNI":
            raise TemplateError(f"OSC tag {tag} is not one of i f s T F N I")
    return out


def osc_text(datagram: bytes) -> bytes | None:
    """The text form of a received datagram, or None when it is no OSC message."""
    try:
        address, at = _osc_read(datagram, 0)
        if not address.startswith("/"):
            return None
        if at >= len(datagram):
            return address.encode()
        tags, at = _osc_read(datagram, at)
        if tags == ",":
            return address.encode()
        words = [address, tags]
        for tag in tags[1:]:
            if tag == "i":
                words.append(str(struct.unpack_from(">i", datagram, at)[0]))
                at += 4
            elif tag == "f":
                words.append(f"{struct.unpack_from('>f', datagram, at)[0]:.6g}")
                at += 4
            elif tag == "s":
                text, at = _osc_read(datagram, at)
                words.append(text if re.fullmatch(r'[^\s"\\]+', text) else json.dumps(text))
            elif tag == "b":
                size = struct.unpack_from(">i", datagram, at)[0]
                if size < 0 or at + 4 + size > len(datagram):
                    return None
                words.append(datagram[at + 4 : at + 4 + size].hex())
                at += 4 + (size + 3) // 4 * 4
            elif tag not in "TFNI":
                return None
        return " ".join(words).encode()
    except (struct.error, ValueError, IndexError):
        return None


def osc_words(text: str) -> list[str]:
    """The words of a message in its text form; quoted ones are taken out of their quotes."""
    return [
        json.loads(word) if word.startswith('"') else word
        for word in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', text)
    ]


def _osc_string(text: str) -> bytes:
    raw = text.encode()
    return raw + b"\0" * (4 - len(raw) % 4)


def _osc_read(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 4 - (end - at) % 4

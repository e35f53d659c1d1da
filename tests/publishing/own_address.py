"""A loopback address for one server of one test.

Ports are taken again soon after they were given back, so that a client of another test may still
knock at one. All of 127/8 is loopback: at an address that nobody else knows, nobody else knocks.
"""

from __future__ import annotations

import secrets


def own_address() -> str:
    """An address of 127/8 that is not the usual one."""
    parts = (100 + secrets.randbelow(150), secrets.randbelow(256), 1 + secrets.randbelow(254))
    return f"127.{parts[0]}.{parts[1]}.{parts[2]}"

"""What a search finds, and where it may look."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Certainty = Literal["certain", "likely", "guess"]
MOST_HOSTS = 1024


class Found(BaseModel):
    """One device, or something that may be one.

    `transport` and `options` are what a `[[devices]]` table would say; `how` names the search;
    `profile` fits with `certainty`: `certain` when the device answered in that protocol or named
    itself.
    """

    transport: str
    how: str
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    mac: str = ""
    profile: str | None = None
    certainty: Certainty = "guess"
    options: dict[str, str] = Field(default_factory=dict)
    detail: str = ""

    @property
    def key(self) -> str:
        """Findings of one key are the same device."""
        named = ",".join(self.options.values())
        return f"{self.transport} {self.profile or ''} {named}".rstrip()


class DiscoveryConfig(BaseModel):
    """Where and how long to look. Nothing is probed outside `subnets`.

    `broadcast` are the addresses that searches by broadcast go to; `serial_probe` allows
    identification queries (never commands) on serial ports that no device of the room uses.
    """

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(default=4.0, gt=0, le=120)
    subnets: list[str] = Field(default_factory=list)
    broadcast: list[str] = Field(default_factory=lambda: ["255.255.255.255"])
    interfaces: list[str] = Field(default_factory=list)
    serial_probe: bool = True
    serial_skip: list[str] = Field(default_factory=list)
    pjlink_port: int = 4352
    x32_port: int = 10023
    xair_port: int = 10024
    ssdp_port: int = 1900
    ws_port: int = 3702
    profiles: list[str] = Field(default_factory=list)

    @field_validator("subnets")
    @classmethod
    def _small_subnets(cls, subnets: list[str]) -> list[str]:
        for subnet in subnets:
            if ipaddress.ip_network(subnet, strict=False).num_addresses > MOST_HOSTS:
                raise ValueError(f"{subnet} has more than {MOST_HOSTS} addresses; name the AV part")
        return subnets

    def hosts(self) -> list[str]:
        """Every address that may be probed."""
        return [
            str(host)
            for subnet in self.subnets
            for host in ipaddress.ip_network(subnet, strict=False).hosts()
        ]

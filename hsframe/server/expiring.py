"""Entries that end by themselves, so many of each address and of all: handshakes, sessions, wrong passwords."""

from __future__ import annotations

from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from hsframe.server.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def network_of(address: str) -> str:
    """Whose limits count for an address: of IPv6 those of its /64, all of whose addresses one client may have."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))
    return address


class Expiring(Generic[K, V]):
    """Values by key, each put by an address and there for `lifetime_s`.

    An address, or its network, with `most_of_one` of them loses its oldest to a new one. Where there are `most`, that
    address does which has more than the others: who floods the server has it.
    """

    def __init__(self, clock: Clock, lifetime_s: float, most: int, most_of_one: int) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._most = most
        self._most_of_one = most_of_one
        self._entries: dict[K, tuple[V, str, float]] = {}  # both in the order in which entries run out
        self._keys_of: dict[str, dict[K, None]] = {}

    def __len__(self) -> int:
        self._expire()
        return len(self._entries)

    def get(self, key: K) -> V | None:
        self._expire()
        found = self._entries.get(key)
        return None if found is None else found[0]

    def put(self, key: K, value: V, address: str) -> None:
        """Add a value, or replace it; its time begins anew."""
        address = network_of(address)
        self.pop(key)
        self._expire()
        if len(own := self._keys_of.get(address, {})) >= self._most_of_one:
            self.pop(next(iter(own)))
        elif len(self._entries) >= self._most:
            most = max(self._keys_of, key=lambda one: len(self._keys_of[one]))
            self.pop(next(iter(self._keys_of[most])))
        self._entries[key] = value, address, self._clock.monotonic_s() + self._lifetime_s
        self._keys_of.setdefault(address, {})[key] = None

    def renew(self, key: K) -> V | None:
        """The value, whose time begins anew."""
        self._expire()
        if (found := self._entries.get(key)) is None:
            return None
        self.put(key, *found[:2])
        return found[0]

    def pop(self, key: K) -> None:
        """Remove a value, if it is there."""
        if (found := self._entries.pop(key, None)) is not None:
            keys = self._keys_of[found[1]]
            del keys[key]
            if not keys:
                del self._keys_of[found[1]]

    def clear(self) -> None:
        self._entries.clear()
        self._keys_of.clear()

    def _expire(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._entries:
            key, (_, _, expires_s) = next(iter(self._entries.items()))
            if expires_s > now_s:
                break
            self.pop(key)

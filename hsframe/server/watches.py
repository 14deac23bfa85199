"""Watches: the records of whose changes a client is notified, with a lease that every request renews."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hsframe.server.clock import Clock
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal

_DEFAULT_LEASE_S: Final = 60.0
_MAX_LEASE_S: Final = 3600.0
# A client that opens watches and forgets them must not fill the memory before the leases run out.
_MAX_WATCHES: Final = 10_000


@dataclass
class Watch:
    """One watch; `seen` has the revision of each record that was last sent to the client."""

    id: str
    lease_s: float
    expires_s: float  # on the server's monotonic clock
    seen: dict[str, int] = field(default_factory=dict)


class Watches:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._watches: dict[str, Watch] = {}

    def __len__(self) -> int:
        self._expire()
        return len(self._watches)

    def open(self, lease_s: float | None) -> Watch:
        """A new watch; its lease is an hour at most."""
        self._expire()
        if len(self._watches) >= _MAX_WATCHES:
            raise OpRefusal(f"the server holds {_MAX_WATCHES} watches, which is its limit; close some", "LimitErr")
        lease_s = min(lease_s or _DEFAULT_LEASE_S, _MAX_LEASE_S)
        watch = Watch("w-" + secrets.token_hex(8), lease_s, self._clock.monotonic_s() + lease_s)
        self._watches[watch.id] = watch
        return watch

    def find(self, id: Any) -> Watch:
        """The watch of an id, its lease renewed; a refusal where there is none, or its lease ran out."""
        self._expire()
        watch = self._watches.get(id) if isinstance(id, str) else None
        if watch is None:
            raise OpRefusal(
                f"there is no watch {id!r}: it was closed, or its lease ran out; open a new one with watchSub",
                "UnknownWatchErr",
            )
        watch.expires_s = self._clock.monotonic_s() + watch.lease_s
        return watch

    def close(self, id: Any) -> None:
        if isinstance(id, str):
            self._watches.pop(id, None)

    def changes(self, watch: Watch, *, refresh: bool = False) -> list[Mapping[str, Any]]:
        """The watched records that changed since they were last sent, or all of them, to be sent now."""
        changed = []
        for key, seen in watch.seen.items():
            revision = self._database.revision(key)
            if refresh or revision != seen:
                watch.seen[key] = revision
                if (rec := self._database.get(key)) is not None:
                    changed.append(rec)
        return changed

    def _expire(self) -> None:
        now_s = self._clock.monotonic_s()
        for id in [id for id, watch in self._watches.items() if watch.expires_s <= now_s]:
            del self._watches[id]

"""The bodies that are measured: histories of regular intervals, the same values in every format."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

__all__ = ["BODIES", "Maker", "body_file"]

UNITS = ("°F", "kW", "kWh", "%", "cfm")
WIDTH = 50
_START = datetime(2021, 1, 1, 5, tzinfo=UTC)

Maker = Callable[[int], bytes]


def _stamps(rows: int, zone: str, minutes: int) -> list[str]:
    tz = ZoneInfo(zone)
    step = timedelta(minutes=minutes)
    texts = []
    when = _START
    for _ in range(rows):
        texts.append(when.astimezone(tz).isoformat())
        when += step
    return texts


def _values(rows: int, seed: int = 0) -> list[str]:
    rnd = random.Random(seed)
    return [f"{rnd.uniform(55, 95):.2f}".rstrip("0").rstrip(".") for _ in range(rows)]


def _zinc(lines: Sequence[str], head: str = 'ver:"3.0" id:@a\nts,val\n') -> bytes:
    return (head + "\n".join(lines) + "\n").encode()


def zinc(rows: int) -> bytes:
    """One point, one minute, New_York."""
    stamps = _stamps(rows, "America/New_York", 1)
    return _zinc([f"{at} New_York,{val}°F" for at, val in zip(stamps, _values(rows), strict=True)])


def zinc_holes(rows: int) -> bytes:
    """The same, 2 % of the cells NA, empty, INF or NaN."""
    rnd = random.Random(1)
    stamps = _stamps(rows, "America/New_York", 1)
    lines = []
    for at, val in zip(stamps, _values(rows), strict=True):
        cell = rnd.choice(("NA", "", "INF", "-INF", "NaN")) if rnd.random() < 0.02 else f"{val}°F"
        lines.append(f"{at} New_York,{cell}")
    return _zinc(lines)


def zinc_london(rows: int) -> bytes:
    """One point, London: Z and +01:00, most timestamps with milliseconds."""
    rnd = random.Random(2)
    lines = []
    for at, val in zip(_stamps(rows, "Europe/London", 1), _values(rows), strict=True):
        fraction = f".{rnd.randrange(1000):03d}" if rnd.random() < 0.8 else ""
        lines.append(f"{at[:19]}{fraction}{at[19:].replace('+00:00', 'Z')} London,{val}°F")
    return _zinc(lines)


def json4(rows: int) -> bytes:
    """One point, version 4."""
    head = '{"_kind":"grid","meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":[\n'
    text = '{{"ts":{{"_kind":"dateTime","val":"{}","tz":"New_York"}},"val":{{"_kind":"number","val":{},"unit":"°F"}}}}'
    stamps = _stamps(rows, "America/New_York", 1)
    return (head + ",\n".join(map(text.format, stamps, _values(rows))) + "\n]}\n").encode()


def json3(rows: int) -> bytes:
    """One point, version 3."""
    head = '{"meta":{"ver":"3.0"},"cols":[{"name":"ts"},{"name":"val"}],"rows":[\n'
    text = '{{"ts":"t:{} New_York","val":"n:{} °F"}}'
    stamps = _stamps(rows, "America/New_York", 1)
    return (head + ",\n".join(map(text.format, stamps, _values(rows))) + "\n]}\n").encode()


def _wide_values(rows: int) -> list[list[str]]:
    return [_values(rows, place) for place in range(WIDTH)]


def zinc_wide(rows: int) -> bytes:
    """Fifty points of five units, a quarter of an hour, Zinc."""
    head = 'ver:"3.0"\nts,' + ",".join(f"v{place} id:@p{place}" for place in range(WIDTH)) + "\n"
    cells = zip(*_wide_values(rows), strict=True)
    lines = [
        f"{at} New_York," + ",".join(f"{val}{UNITS[place % 5]}" for place, val in enumerate(row))
        for at, row in zip(_stamps(rows, "America/New_York", 15), cells, strict=True)
    ]
    return _zinc(lines, head)


def json4_wide(rows: int) -> bytes:
    """Fifty points, version 4."""
    cols = ",".join(
        f'{{"name":"v{place}","meta":{{"id":{{"_kind":"ref","val":"p{place}"}}}}}}' for place in range(WIDTH)
    )
    head = f'{{"_kind":"grid","meta":{{"ver":"3.0"}},"cols":[{{"name":"ts"}},{cols}],"rows":[\n'
    cell = '"v{}":{{"_kind":"number","val":{},"unit":"{}"}}'
    cells = zip(*_wide_values(rows), strict=True)
    lines = [
        f'{{"ts":{{"_kind":"dateTime","val":"{at}","tz":"New_York"}},'
        + ",".join(cell.format(place, val, UNITS[place % 5]) for place, val in enumerate(row))
        + "}"
        for at, row in zip(_stamps(rows, "America/New_York", 15), cells, strict=True)
    ]
    return (head + ",\n".join(lines) + "\n]}\n").encode()


def json3_wide(rows: int) -> bytes:
    """Fifty points, version 3."""
    cols = ",".join(f'{{"name":"v{place}","id":"r:p{place}"}}' for place in range(WIDTH))
    head = f'{{"meta":{{"ver":"3.0"}},"cols":[{{"name":"ts"}},{cols}],"rows":[\n'
    cells = zip(*_wide_values(rows), strict=True)
    lines = [
        f'{{"ts":"t:{at} New_York",'
        + ",".join(f'"v{place}":"n:{val} {UNITS[place % 5]}"' for place, val in enumerate(row))
        + "}"
        for at, row in zip(_stamps(rows, "America/New_York", 15), cells, strict=True)
    ]
    return (head + ",\n".join(lines) + "\n]}\n").encode()


BODIES: dict[str, Maker] = {
    "zinc": zinc,
    "zinc_holes": zinc_holes,
    "zinc_london": zinc_london,
    "zinc_wide": zinc_wide,
    "json4": json4,
    "json4_wide": json4_wide,
    "json3": json3,
    "json3_wide": json3_wide,
}


def body_file(folder: Path, name: str, rows: int) -> Path:
    """The file with a body, made once."""
    path = folder / f"{name}-{rows}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BODIES[name](rows))
    return path

"""Records decoded in a process of its own. Runs in any environment: it imports nothing of ours at the top.

python entity_worker.py WHO FORMAT FILE REPEATS

Prints the CPU seconds of each repeat as a JSON list.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def hsframe(body: bytes, short: str) -> Callable[[], Any]:
    """Bytes to an entity frame."""
    from hsframe.codecs import decode
    from hsframe.frame.entities import entity_frame

    return lambda: entity_frame(decode(body, short))


def haystack_py(body: bytes, short: str) -> Callable[[], Any]:
    """Bytes to the peer's grid, whose rows are dicts."""
    from hs_py.encoding import json as hs_json
    from hs_py.encoding import zinc as hs_zinc

    if short == "zinc":
        return lambda: hs_zinc.decode_grid(body.decode())
    version = hs_json.JsonVersion.V4 if short == "json4" else hs_json.JsonVersion.V3
    return lambda: hs_json.decode_grid(body, version=version)


def main() -> None:
    """Measure what the arguments say; the first call, which imports, does not count."""
    who, short, file, repeats = sys.argv[1:]
    job = {"hsframe": hsframe, "haystack-py": haystack_py}[who](Path(file).read_bytes(), short)
    job()
    times = []
    for _ in range(int(repeats)):
        gc.collect()
        start = time.process_time()
        result = job()
        times.append(time.process_time() - start)
        del result
    print(json.dumps(times))


if __name__ == "__main__":
    main()

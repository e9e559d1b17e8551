"""Progress through long files, as commands tell it."""

import time
from collections.abc import Callable
from pathlib import Path

from portal.command import Call

PROGRESS_S = 2


def told(call: Call, path: Path) -> Callable[[int], None]:
    """Says on stderr, every two seconds at most, how much of a long file has been read."""
    size, said = path.stat().st_size, [time.monotonic()]

    def say(done: int) -> None:
        if time.monotonic() - said[0] >= PROGRESS_S:
            said[0] = time.monotonic()
            share = f"{path.name}: {done * 100 // max(size, 1)} % ({done >> 20} / {size >> 20} MiB)"
            call.progress(f"{share} 읽음", f"{share} read")

    return say

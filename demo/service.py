"""Calls the product's own commands in this process and reads what they answer."""

import contextlib
import io
import json
import sys
from typing import Any

from portal.cli import main


class CommandFailed(Exception):
    """A command ended with an exit code that was not expected; its messages went to stderr as it ran."""

    def __init__(self, arguments: tuple[str, ...], exit_code: int, document: Any):
        super().__init__(
            f"jeongsan {' '.join(arguments)}: exit {exit_code}: {json.dumps(document, ensure_ascii=False)}"
        )
        self.exit_code = exit_code


def call(*arguments: object, now: str | None = None) -> Any:
    """`jeongsan ARGUMENTS… --json`, in this process; returns its JSON document.

    Raises CommandFailed unless the command ends with 0 or, where it compares figures, 1.
    """
    words = (*map(str, arguments), "--json", *(("--now", now) if now else ()))
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        try:
            main.main(args=list(words), prog_name="jeongsan")
            exit_code = 0
        except SystemExit as end:
            exit_code = end.code or 0
    document = json.loads(written.getvalue()) if written.getvalue().strip() else {}
    if exit_code not in (0, 1):
        sys.stderr.flush()
        raise CommandFailed(words, exit_code, document)
    return document

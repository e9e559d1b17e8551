"""Logs on stderr: text, or with JEONGSAN_LOG=json one JSON object a line, what libraries say included."""

import json
import logging
import sys
from datetime import UTC, datetime


def line(level: str, message: str, **fields: object) -> str:
    """One log line as JSON: `at`, `level`, `message` and the fields given."""
    found = {"at": datetime.now(UTC).isoformat(), "level": level, "message": message, **fields}
    return json.dumps(found, ensure_ascii=False, default=str)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {"logger": record.name}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return line(record.levelname.lower(), record.getMessage(), **fields)


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def set_up(form: str) -> None:
    """What libraries log from WARNING on goes to stderr in the form asked for; called again, the last form counts."""
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Stderr)]
    handler = _Stderr(logging.WARNING)
    handler.setFormatter(_JsonLines() if form == "json" else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)

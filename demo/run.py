"""The demo: four months of the 2025 programme through the product's own commands, and what a person wants to know."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.database import service_engine
from core.month import Month
from core.settings import Settings
from demo import events, payments, report
from demo.programme import REGISTRY, Project, projects
from demo.sent import MONTHS, local
from demo.service import call
from registry.terms import programme_terms
from reports import audit
from reports.ties import Finding

PROGRAMME = "MAIDV-2025"
HOME = Path(".jeongsan/demo")
OUT = Path("out/demo")


@dataclass(frozen=True, kw_only=True)
class Voice:
    """Says what is going on, in the language that was asked for, with the seconds since the start."""

    lang: str
    began: float

    def text(self, korean: str, english: str) -> str:
        """The text in the language of the call."""
        return english if self.lang == "en" else korean

    def progress(self, korean: str, english: str) -> None:
        """A line of progress, on stderr."""
        print(f"[{time.monotonic() - self.began:5.1f}s] {self.text(korean, english)}", file=sys.stderr, flush=True)


def run(lang: str) -> int:
    """Settles the four months, or says what is there already; 0 when everything is reconciled, else 1."""
    voice = Voice(lang=lang, began=time.monotonic())
    os.environ["JEONGSAN_HOME"] = str(HOME.absolute())
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ.pop(name, None)
    voice.progress("데이터베이스 준비", "preparing the database")
    call("init")
    _load(voice)
    voice.progress("사용 기록 10만여 건: 같은 씨앗, 같은 바이트", "100,000 and more seeded events")
    files = events.write(HOME / "events")
    among = projects()
    months = [_month(voice, month, files[month], among) for month in MONTHS]
    voice.progress("원시 기록부터 다시 계산해 대조", "deriving everything anew from the raw events")
    checked = call("verify", "--deep", now=stamp(_close(MONTHS[-1]) + timedelta(days=10)))
    print(report.render(voice.text, call("intake"), months, _findings(), checked, OUT))
    return 0 if report.differences(months, checked) == 0 else 1


def _load(voice: Voice) -> None:
    voice.progress("기준정보 등록", "loading reference data")
    loaded = call("load", REGISTRY, now=stamp(local(MONTHS[0].first, 9)))
    if not loaded["new"]:
        voice.progress("이미 등록되어 있습니다", "it is there already")


def _month(voice: Voice, month: Month, file: Path, among: Sequence[Project]) -> dict:
    """Settles one month, unless it is locked already; what `month show` says of it."""
    shown = call("month", "show", month, "--programme", PROGRAMME)
    if shown.get("state") == "locked":
        voice.progress(f"{month}: 이미 마감되어 있습니다", f"{month}: closed already")
    else:
        shown = _settle(voice, month, file, among)
    dues = HOME / f"payments-{month}.csv"
    if not dues.exists():
        payments.write_dues(dues, month, shown, call("balances", "--programme", PROGRAMME), among)
    call("payments", "import", dues, now=stamp(payments.paid_at(month)))
    call("statements", month, "--programme", PROGRAMME, "--out", OUT / str(month))
    return shown


def _settle(voice: Voice, month: Month, file: Path, among: Sequence[Project]) -> dict:
    close = _close(month)
    voice.progress(f"{month}: 사용 기록 수집", f"{month}: taking in the events")
    call("ingest", file, now=stamp(close - timedelta(days=1)))
    deposits = HOME / f"deposits-{month}.csv"
    if payments.write_deposits(deposits, month, among):
        call("payments", "import", deposits, now=stamp(close - timedelta(hours=12)))
    voice.progress(f"{month}: 월 정산", f"{month}: the monthly run")
    return call("month", "run", month, "--programme", PROGRAMME, now=stamp(close))


def _findings() -> list[Finding]:
    """What the auditors' checks found at each close, each finding once."""
    found: dict[tuple[str, str], Finding] = {}
    with service_engine(Settings.from_environment()).connect() as connection:
        for month in MONTHS:
            for one in audit.findings(connection, programme_terms(connection, PROGRAMME, month), month):
                found.setdefault((one.check, one.message), one)
    return sorted(found.values(), key=lambda one: (one.level, one.check))


def _close(month: Month) -> datetime:
    """A month is closed on the third of the next, at nine."""
    return local((month + 1).first + timedelta(days=2), 9)


def stamp(at: datetime) -> str:
    """An instant for `--now`."""
    return at.isoformat()

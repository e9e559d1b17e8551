"""Drives the product through its commands beside the derivation, and compares every figure."""

from collections import Counter
from copy import deepcopy
from datetime import date
from fractions import Fraction
from random import Random

from tests.worlds.derivation import Programme
from tests.worlds.generator import LOADED, toml
from tests.worlds.known import Intake, Known, day_start_us
from tests.worlds.life import DAY, last_day, lines_of
from tests.worlds.usage import usage_rows

SHOWN = ("lines", "matrix", "company", "hospital", "incentive", "budget", "sources")
MEASURES = ("lines", "matrix", "company", "hospital", "incentive", "budget")


def charges(rows: list[dict]) -> dict[tuple, tuple]:
    """Charge lines of an answer by (kind, project, service month, key), zeros left out."""
    found: dict[tuple, tuple] = {}
    for row in rows:
        key = (row["kind"], row["project"], row["service_month"], row["key"])
        amount, vat, _ = found.get(key, (0, 0, False))
        found[key] = (amount + row["amount_krw"], vat + row["vat_krw"], row["correction"])
    return {key: one for key, one in found.items() if one[0] or one[1]}


def usage(rows: list[dict]) -> dict[tuple, Fraction]:
    """Rows of `usage` by (project, meter, key, unit), zeros left out."""
    found = {(row["project"], row["meter"], row["key"], row["unit"]): Fraction(row["quantity"]) for row in rows}
    return {key: quantity for key, quantity in found.items() if quantity}


def differences(what: str, want, got) -> list[str]:
    """Where two figures, or trees of them, differ; a zero may be left out on either side."""
    if isinstance(want, dict) or isinstance(got, dict):
        want, got = want or {}, got or {}
        return [
            line
            for key in sorted(want.keys() | got.keys(), key=str)
            for line in differences(f"{what} {key}", want.get(key), got.get(key))
        ]
    return [] if (want or 0) == (got or 0) else [f"{what}: derived {want}, product {got}"]


class Drive:
    """One world, told to the product and to the derivation."""

    def __init__(self, call, folder, world):
        self.call, self.folder, self.world = call, folder, world
        self.rng, self.advance_rng = Random(world.seed), Random(f"advances {world.seed}")
        self.code = world.registry["programme"][0]["code"]
        self.registry = deepcopy(world.registry)
        self.intake, self.shown, self.number = Intake(self.registry), {}, 0
        self.paid_by_agency = Counter()

    def run(self, at_least: int = 1) -> list[str]:
        """Differences, up to the end of the first month that shows one."""
        self._load(LOADED)
        self.programme = Programme(self.registry)
        for era in self.world.eras:
            found = self._era(era)
            if len(found) >= at_least:
                return found
        deep = self.call("verify", "--deep")
        found = [] if deep["ok"] else [f"verify --deep: {one}" for one in deep["findings"] if one["level"] == "ERROR"]
        for month, figures in self.shown.items():
            again = self.call("month", "show", month, "--programme", self.code)
            found += differences(f"{month} shown at the end", figures, self._figures(again))
        return found

    def _file(self, name: str, text: str):
        self.number += 1
        path = self.folder / f"{self.number:03d}-{name}"
        path.write_text(text, encoding="utf-8")
        return path

    def _load(self, now: str, exit_code: int = 0) -> None:
        self.call("load", self._file("registry.toml", toml(self.registry)), now=now, exit_code=exit_code)

    def _era(self, era) -> list[str]:
        now = f"{era.close}T08:00:00+09:00"
        closed = (
            bool(self.programme.books.locked) and str(self.registry["programme"][0]["settlement_closes_on"]) < era.close
        )
        for code, change in ((code, change) for code, change, late in era.changes if not late):
            self._change(code, change, now, closed=closed)
        self._import(era.deposits, now)
        self._import(self._advances(), now)
        for files in era.calls:
            if self.rng.random() < 0.2:
                files = [*files, files[0]]  # the same file again
            self.call("ingest", *[self._file("events.jsonl", "\n".join(one)) for one in files], now=now)
            for one in files:
                self.intake.begin()
                for raw in one:
                    self.intake.receive(raw, closed=closed)
        for code, change in ((code, change) for code, change, late in era.changes if late):
            self._change(code, change, now, closed=closed)
        return self._compare(era, Known(self.intake), f"{era.close}T09:00:00+09:00")

    def _compare(self, era, known: Known, now: str) -> list[str]:
        """Runs the month on both sides."""
        month, options = era.month, ("--programme", self.code)
        intake = self.call("intake")
        found = [] if intake["balanced"] else ["intake is not balanced"]
        found += differences(f"{month} intake", known.counts, {name: intake[name] for name in known.counts})
        for one in [*self.shown, month]:
            found += differences(
                f"{month} usage {one}", usage_rows(known, one), usage(self.call("usage", "--month", one)["rows"])
            )
        dry = self.call("month", "run", month, *options, "--dry-run", now=now)
        got = self.call("month", "run", month, *options, now=now)
        found += differences(f"{month} dry run", self._figures(dry), self._figures(got))
        want = self.programme.run(known, month)
        self.shown[month] = self._figures(got)
        found += differences(month, {name: want[name] for name in ("charges", *SHOWN)}, self.shown[month])
        if (got["state"], got["differences"]) != ("locked", 0):
            found.append(f"{month}: {got['state']} with {got['differences']} differences")
        found += differences(f"{month} balances", self.programme.balances(), self.call("balances", *options))
        self._import(self._settled(), now)
        return found + differences(f"{month} paid", self.programme.balances(), self.call("balances", *options))

    def _figures(self, answer: dict) -> dict:
        return {"charges": charges(answer["charges"])} | {name: answer[name] for name in SHOWN}

    def _change(self, code: str, change: dict, now: str, *, closed: bool) -> None:
        """Loads an amendment or a termination on both sides; the product refuses what cuts into what is there."""
        agreement = next(one for one in self.registry["agreement"] if one["code"] == code)
        if "terminated" in agreement or not self._can_be(agreement, change, now):
            return
        before = dict(agreement)
        agreement |= change if "terminated" in change else {"amendment": [*before.get("amendment", []), change]}
        refused = self._refused(agreement, change)
        self._load(now, exit_code=3 if refused else 0)
        if refused:
            agreement.clear()
            agreement |= before
        else:
            self.programme.refer(self.registry)
            self.intake.refer(self.registry, closed=closed)

    def _can_be(self, agreement: dict, change: dict, now: str) -> bool:
        """Whether a version is one at all: in its agreement's life, of lines that are there, one a month."""
        if "terminated" in change:
            return agreement["starts"] <= change["terminated"]["on"] < last_day(agreement)
        day, lines = change["effective"], {line["code"]: (first, last) for line, first, last in lines_of(agreement)}
        open_lines = {code for code, (first, last) in lines.items() if first < day and last == last_day(agreement)}
        if not agreement["starts"] < day <= last_day(agreement) or not change.keys() & {"limits", "line", "end_lines"}:
            return False
        if not open_lines.issuperset(change.get("end_lines", [])) or change.get("ends", date.max) <= last_day(
            agreement
        ):
            return False
        taken = {one["effective"].strftime("%Y-%m") for one in agreement.get("amendment", [])}
        taken.add(agreement["starts"].strftime("%Y-%m"))
        first_open = now[:5] + f"{int(now[5:7]) - 1:02d}" if now[5:7] != "01" else f"{int(now[:4]) - 1}-12"
        return not taken & {day.strftime("%Y-%m"), first_open} and max(taken) <= first_open

    def _refused(self, agreement: dict, change: dict) -> bool:
        """Below what was executed, or before work or usage that stands."""
        known, project, spent = Known(self.intake), agreement["project"], self.programme.books.lines
        works = [data for _, data in known.standing("preparation.performed") if data["project"] == project]
        if "terminated" in change:
            end = day_start_us(change["terminated"]["on"] + DAY)
            used = [data["end"] for _, data in known.standing("gpu.usage") if data["project"] == project]
            return any(us > end for us in used) or any(data["performed"] >= end for data in works)
        start, ended = day_start_us(change["effective"]), change.get("end_lines", [])
        return any(krw < spent[code]["voucher_krw"] for code, krw in change.get("limits", {}).items()) or any(
            data["performed"] >= start for data in works if data["line"] in ended
        )

    def _advances(self) -> list[tuple]:
        """What the agency advances to some hospitals for some projects: less, or more, than their vouchers will be."""
        rng, suppliers = self.advance_rng, {one["code"] for one in self.registry["party"] if one["kind"] == "hospital"}
        return [
            (f"advance:hospital:{line['supplier']}:{one['project']}", rng.randint(1, 4_000_000), "agency")
            for one in self.registry["agreement"]
            for line in one["line"]
            if line["supplier"] in suppliers and rng.random() < 0.15
        ]

    def _settled(self) -> list[tuple]:
        """What the agency, companies and the operator pay after a run: all, a part, or not yet."""
        rows = []
        balances, rng = self.programme.balances(), self.rng
        for account, krw in sorted(balances.items()):
            if account.startswith("receivable:company:") and rng.random() < 0.8:
                rows.append((account, self._part(krw), rng.choice(["bank", "stripe"])))
            elif account.startswith(("payable:operator", "payable:incentive:", "payable:infra:")):
                rows += [(account, self._part(-krw), "bank")] if rng.random() < 0.7 else []
                if account == "payable:operator" and rng.random() < 0.5:
                    rows.append((account, self._part(self._operators_voucher()), "agency"))
            elif account.startswith("payable:company:"):
                rows += [(account, self._part(-krw), "agency")] if rng.random() < 0.7 else []
            elif account.startswith("payable:hospital:"):
                rows += self._to_hospital(account, -krw)
            elif account.startswith("deposit:") and account.removeprefix("deposit:") in self.programme.books.closed:
                rows += [(account, krw, "bank")] if rng.random() < 0.7 else []
        if balances.get("cash:stripe", 0) > 0:
            rows.append(("cash:stripe", balances["cash:stripe"], "bank"))
        return [row for row in rows if row[1]] + ([("receivable:company:P77", 5, "bank")] if rng.random() < 0.3 else [])

    def _operators_voucher(self) -> int:
        operators = {one.code for one in self.programme.terms(next(reversed(self.shown))) if one.paid_to == "operator"}
        return sum(self.programme.books.lines[code]["voucher_krw"] for code in operators)

    def _to_hospital(self, account: str, owed_krw: int) -> list[tuple]:
        _, _, hospital, project = account.split(":")
        lines = {
            line["code"]: line
            for one in self.registry["agreement"]
            if one["project"] == project
            for line, _, _ in lines_of(one)
        }
        voucher = sum(
            self.programme.books.lines[code]["voucher_krw"]
            for code, one in lines.items()
            if one["supplier"] == hospital
        )
        agency = voucher - self.paid_by_agency[account] - self.programme.books.offset[f"{hospital}:{project}"]
        rows = []
        if self.rng.random() < 0.8:
            rows.append((account, agency, "agency"))
            self.paid_by_agency[account] += agency
        if self.rng.random() < 0.7:
            rows.append((account, self._part(owed_krw - agency), "bank"))
        return rows

    def _part(self, krw: int) -> int:
        return krw if self.rng.random() < 0.7 else krw // 3

    def _import(self, rows: list[tuple], now: str) -> None:
        """Imports rows of (account, won, channel), twice."""
        if not rows:
            return
        text = "paid_at,channel,account,amount_krw,reference,counterparty\n"
        for number, (account, krw, *channel) in enumerate(rows):
            row = {
                "channel": channel[0] if channel else "bank",
                "account": account,
                "amount_krw": krw,
                "reference": f"R{self.number}-{number}",
            }
            self.programme.pay(row)
            text += f"{now},{row['channel']},{account},{krw},{row['reference']},X\n"
        path = self._file("payments.csv", text)
        for _ in range(2):
            self.call("payments", "import", path, now=now)

"""The journal entries of a month's run (domain.md §6). Pure functions."""

from collections.abc import Iterable, Iterator, Sequence

from billing.charge import ChargeLine
from closing.inputs import MonthInputs
from ledger.journal import NewEntry, combined
from settlement.incentive import Distribution
from settlement.line import LineResult


def month_entries(
    inputs: MonthInputs, charges: Sequence[ChargeLine], lines: Sequence[LineResult], incentive: Distribution
) -> list[NewEntry]:
    """Every entry that the run of the month books, in order; entries without an amount are left out."""
    run = f"run:{inputs.month}"
    entries = [*inputs.amendments]
    agreements = {line.code: line.agreement for one in inputs.terms.projects.values() for line in one.lines}
    for line in lines:
        entries += _settle(run, line, released=agreements[line.line] in inputs.released)
        entries += _draw(run, line)
    for kind in ("gpu", "cpu", "storage"):
        entries += _usage(run, kind, charges)
    entries += _pass_through(run, charges)
    entries += _fees(run, charges)
    entries += _pool(run, incentive, fixed=bool(inputs.terms.incentive_monthly_krw))
    entries += _offsets(run, lines, inputs)
    entries += _terminations(run, inputs, lines)
    entries += _releases(run, inputs, entries)
    return [entry for entry in entries if entry.postings]


def _settle(run: str, line: LineResult, *, released: bool) -> Iterator[NewEntry]:
    """Voucher and the company's part; where the company pays its suppliers itself, the grant alone, to the company.

    What is payable stands there even when it is 0: a voucher that replaces what the company paid is still paid by the
    one and given back to the other.
    """
    project, grant, own = line.project, line.voucher_krw, line.owed_krw
    commitment = "budget:available" if released else f"budget:committed:{project}"
    postings = combined(
        (
            ("receivable:agency", grant),
            (f"receivable:company:{project}", own),
            (line.payable, -(grant + own)),
            (commitment, -grant),
            (f"budget:executed:{project}", grant),
        )
    )
    if postings:
        postings.setdefault(line.payable, 0)
    yield NewEntry(kind="settle", memo=f"settle {line.line}", reference=f"{run}:settle:{line.line}", postings=postings)


def _draw(run: str, line: LineResult) -> Iterator[NewEntry]:
    yield _pair(
        "draw", f"draw deposit {line.line}", f"{run}:draw:{line.line}",
        f"deposit:{line.project}", f"receivable:company:{line.project}", line.deposit_drawn_krw,
    )  # fmt: skip


def _pair(kind: str, memo: str, reference: str, debit: str, credit: str, amount_krw: int) -> NewEntry:
    return NewEntry(
        kind=kind, memo=memo, reference=reference, postings=combined(((debit, amount_krw), (credit, -amount_krw)))
    )


def _by_project(charges: Iterable[ChargeLine], kind: str) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for row in charges:
        if row.kind == kind and row.line is None:
            amount, vat = sums.get(row.project, (0, 0))
            sums[row.project] = amount + row.amount_krw, vat + row.vat_krw
    return dict(sorted(sums.items()))


def _usage(run: str, kind: str, charges: Sequence[ChargeLine]) -> Iterator[NewEntry]:
    for project, (amount, vat) in _by_project(charges, kind).items():
        yield _pair(
            kind, f"{kind} {project}", f"{run}:{kind}:{project}",
            f"receivable:company:{project}", "payable:operator", amount + vat,
        )  # fmt: skip


def _pass_through(run: str, charges: Iterable[ChargeLine]) -> Iterator[NewEntry]:
    """What the operator owes each infrastructure firm at cost price."""
    costs: dict[str, int] = {}
    for row in charges:
        if row.payee is not None:
            costs[row.payee] = costs.get(row.payee, 0) + row.cost_krw
    for firm, cost_krw in sorted(costs.items()):
        yield _pair(
            "infra",
            f"infrastructure {firm}",
            f"{run}:infra:{firm}",
            "payable:operator",
            f"payable:infra:{firm}",
            cost_krw,
        )


def _fees(run: str, charges: Sequence[ChargeLine]) -> Iterator[NewEntry]:
    for project, (amount, vat) in _by_project(charges, "fee").items():
        yield NewEntry(
            kind="fee",
            memo=f"platform fee {project}",
            reference=f"{run}:fee:{project}",
            postings=combined(
                (
                    (f"receivable:company:{project}", amount + vat),
                    ("income:platform_fee", -amount),
                    ("vat:operator", -vat),
                )
            ),
        )


def _pool(run: str, incentive: Distribution, *, fixed: bool) -> Iterator[NewEntry]:
    source = "payable:operator" if fixed else "income:platform_fee"
    yield _pair("pool", "incentive pool", f"{run}:pool", source, "incentive:pool", incentive.pool_krw)
    for hospital, share in sorted(incentive.shares.items()):
        yield _pair(
            "incentive", f"incentive {hospital}", f"{run}:incentive:{hospital}",
            "incentive:pool", f"payable:incentive:{hospital}", share,
        )  # fmt: skip


def _offsets(run: str, lines: Sequence[LineResult], inputs: MonthInputs) -> Iterator[NewEntry]:
    """Advances (선금) that the agency paid, offset against the month's vouchers of the hospital and project."""
    vouchers = {}
    for line in lines:
        if line.paid_to != "hospital":
            continue
        key = f"{line.supplier}:{line.project}"
        vouchers[key] = vouchers.get(key, 0) + line.voucher_krw
    for key, voucher in sorted(vouchers.items()):
        offset = max(0, min(voucher, inputs.balances.get(f"advance:hospital:{key}", 0)))
        yield NewEntry(
            kind="advance_offset",
            memo=f"advance offset {key.replace(':', ' ')}",
            reference=f"{run}:advance_offset:{key}",
            postings=combined(
                (
                    (f"payable:hospital:{key}", offset),
                    (f"advance:hospital:{key}", -offset),
                    ("agency:advance", offset),
                    ("receivable:agency", -offset),
                )
            ),
        )


def _terminations(run: str, inputs: MonthInputs, lines: Sequence[LineResult]) -> Iterator[NewEntry]:
    """The rest of the commitment of each agreement that was terminated, where its project goes on or not."""
    for code, project in sorted(inputs.terms.projects.items()):
        for agreement in project.agreements:
            due = agreement.terminates is not None and agreement.terminates <= inputs.month
            if due and agreement.code not in inputs.released:
                own = {line.code for line in agreement.lines}
                rest = sum(line.limit_krw - line.total_voucher_krw for line in lines if line.line in own)
                yield _pair(
                    "release", f"release {agreement.code}", f"{run}:release:agreement:{agreement.code}",
                    "budget:available", f"budget:committed:{code}", rest,
                )  # fmt: skip


def _releases(run: str, inputs: MonthInputs, booked: Sequence[NewEntry]) -> Iterator[NewEntry]:
    """The rest of the commitment of each project that ends with this month, back to what is available."""
    for code, project in sorted(inputs.terms.projects.items()):
        ended = project.closes is not None and project.closes <= inputs.month
        if not ended or all(one.code in inputs.released for one in project.agreements):
            continue
        account = f"budget:committed:{code}"
        rest = inputs.balances.get(account, 0) + sum(entry.postings.get(account, 0) for entry in booked)
        yield _pair("release", f"release {code}", f"{run}:release:{code}", "budget:available", account, rest)

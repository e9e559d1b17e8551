"""`trace`: from a figure to the charge rows, the usage and the events behind it, and back (domain.md §9)."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Row

from billing.invoice import NUMBER, parse_number
from billing.tax_reading import NUMBER as TAX_NUMBER
from billing.tax_reading import tax_form
from core.errors import BadInput
from core.month import Month
from metering import usage
from reports.lineage_claims import claim_found
from reports.lineage_rows import Booked, Books, Found, booked, require
from reports.ties import decimal_text
from reports.trace import locate
from reports.workbook import addresses, cell_value

EVENT_LIMIT = 1000
OPERATOR_USAGE = (
    "kind IN ('gpu', 'cpu', 'storage')"
    " AND (line IS NULL OR supplier = (SELECT operator FROM programme WHERE programme.code = charge.programme))"
)
USAGE_UNITS = {"gpu": ("gpu_s", 10**9), "cpu": ("core_s", 10**9), "storage": ("byte_s", 10**6)}


def trace(connection: Connection, reference: str, programme: str | None = None) -> dict:
    """What stands behind a reference that any output shows, or behind `FILE.xlsx!SHEET!CELL` of a published workbook.

    A reference that names no programme means `programme`, or every programme that has it; a cell means its workbook's.
    Raises BadInput when it is no reference, or nothing stands behind it.
    """
    kind, _, rest = reference.partition(":")
    books = Books(connection=connection, programme=programme)
    if ".xlsx!" in reference:
        kind, found = "cell", _cell(books, reference)
    elif kind == "event" and rest:
        return _event(books, reference, rest)
    elif kind in FOLLOW and rest:
        found = _followed(books, reference)
    elif NUMBER.fullmatch(reference):
        kind, found = "invoice", _invoice(books, reference)
    elif reference.startswith("CLM-"):
        kind, found = "claim", claim_found(books, reference)
    elif TAX_NUMBER.fullmatch(reference):
        kind, found = "tax", _tax_document(books, reference)
    else:
        known = ", ".join(f"{name}:" for name in sorted([*FOLLOW, "event"]))
        raise BadInput(f"'{reference}': 참조번호가 아닙니다. {known} 또는 FILE.xlsx!SHEET!CELL (not a reference).")
    used = _used(found.charges)
    return {
        "ref": reference,
        "kind": kind,
        "amount_krw": found.amount_krw,
        "parents": list(found.parents),
        "charges": [one.reference for one in used],
        "usage": [_usage(one) for one in used if one.row.kind != "fee"],
        "events": _events(connection, used),
    }


def _followed(books: Books, reference: str) -> Found:
    """What one reference, or several joined by `, ` in one cell of a statement, stand for; one alone has its amount."""
    found = []
    for name in reference.split(", "):
        kind, _, rest = name.partition(":")
        if kind not in FOLLOW:
            raise BadInput(f"'{name}': 참조번호가 아닙니다 (not a reference).")
        found.append(FOLLOW[kind](books, rest))
    return Found(
        amount_krw=found[0].amount_krw if len(found) == 1 else None,
        parents=list(dict.fromkeys(parent for one in found for parent in one.parents)),
        charges=[charge for one in found for charge in one.charges],
    )


def _used(charges: Sequence[Booked]) -> list[Booked]:
    return list({one.reference: one for one in charges}.values())


def _charge(books: Books, rest: str) -> Found:
    month, project, service, kind, key = (*rest.split("/", 4), "", "", "", "", "")[:5]
    at = {"month": Month.parse(month).first, "project": project, "kind": kind, "key": key}
    if service != "*":
        at["service"] = Month.parse(service).first
    conditions = {
        "project": "project = :project",
        "service": "service_month = :service",
        "kind": "kind = :kind",
        "key": "key = :key",
    }
    wanted = {"project": project, "service": service, "kind": kind, "key": key}
    where = ["month = :month", *(conditions[name] for name, value in wanted.items() if not value.endswith("*"))]
    if key.endswith("/*"):  # all work of an agreement line
        at["key"] = key.removesuffix("*")
        where.append("starts_with(key, :key)")
    found = booked(books, " AND ".join(where), at)
    if "*" not in rest:
        require(f"charge:{rest}", found)
    parents = {f"line:{month}/{one.row.line}" for one in found if one.row.line is not None}
    parents |= {reference for one in found for reference in _entries_of(books, one)}
    below = found
    for project, service in sorted(
        {(one.row.project, one.row.service_month) for one in found if one.row.kind == "fee"}
    ):
        below = below + booked(
            books,
            "month <= :month AND project = :project AND service_month = :service AND line IS NOT NULL",
            {"month": Month.parse(month).first, "project": project, "service": service.first},
        )
    return Found(amount_krw=sum(one.row.amount_krw for one in found), parents=sorted(parents), charges=below)


def _entries_of(books: Books, one: Booked) -> list[str]:
    kind, of = ("settle", one.row.line) if one.row.line is not None else (one.row.kind, one.row.project)
    rows = books.rows(
        "SELECT entry.programme, number FROM entry JOIN project ON project.programme = entry.programme"
        " WHERE project.code = :project AND reference = :reference",
        {"project": one.row.project, "reference": f"run:{one.month}:{kind}:{of}"},
    )
    return [f"entry:{row.programme}/{row.number}" for row in rows]


def _line(books: Books, rest: str) -> Found:
    month, _, line = rest.partition("/")
    at = {"month": Month.parse(month).first, "line": line.split("/")[0]}
    rows = books.rows(
        "SELECT programme, supply_krw, CASE paid_to WHEN 'operator' THEN 'operator_usage' ELSE supplier END AS use"
        " FROM line_settlement WHERE month = :month AND line = :line AND programme = coalesce(:only, programme)",
        at,
    )
    require(f"line:{rest}", rows)
    return Found(
        amount_krw=sum(row.supply_krw for row in rows),
        parents=[f"matrix:{month}/{source}/{row.use}" for row in rows for source in ("voucher", "self_pay")],
        charges=booked(books, "month = :month AND line = :line", at),
    )


def _entry(books: Books, rest: str) -> Found:
    programme, _, number = rest.rpartition("/")
    row = _one_entry(books, programme, number)
    require(f"entry:{rest}", [row] if row else [])
    return Found(
        amount_krw=row.debit_krw, parents=[f"balance:{code}@{row.month:%Y-%m}" for code in row.codes],
        charges=_charges_of_entry(books, programme, row.reference),
    )  # fmt: skip


def _one_entry(books: Books, programme: str, number: str) -> Row | None:
    rows = books.rows(
        "SELECT entry.reference, entry.month, array_agg(account.code ORDER BY account.code) AS codes,"
        " (sum(amount_krw) FILTER (WHERE amount_krw > 0 AND NOT is_budget))::bigint AS debit_krw"
        " FROM entry JOIN posting ON posting.entry_id = entry.id JOIN account ON account.id = posting.account_id"
        " WHERE entry.programme = :programme AND entry.number = :number GROUP BY entry.id",
        {"programme": programme, "number": int(number) if number.isascii() and number.isdigit() else -1},
    )
    return rows[0] if rows else None


def _charges_of_entry(books: Books, programme: str, reference: str) -> list[Booked]:
    run, month, kind, of = (*reference.split(":", 3), "", "", "")[:4]
    if run != "run":
        return []
    at = {"programme": programme, "month": Month.parse(month).first, "of": of}
    here = "charge.programme = :programme AND month = :month AND "
    match kind:
        case "settle" | "draw":
            return booked(books, here + "line = :of", at)
        case "gpu" | "cpu" | "storage" | "fee":
            return booked(books, here + "line IS NULL AND kind = :kind AND project = :of", {**at, "kind": kind})
        case "infra":
            return booked(books, here + "payee = :of", at)
        case "pool":
            return booked(books, here + "kind = 'fee'", at)
        case "incentive":
            return booked(books, here + "kind = 'preparation' AND supplier = :of", at)
    return []


def _balance(books: Books, rest: str) -> Found:
    account, _, month = rest.partition("@")
    rows = books.rows(
        "SELECT entry.programme, entry.number, entry.reference, amount_krw FROM posting"
        " JOIN account ON account.id = posting.account_id JOIN entry ON entry.id = posting.entry_id"
        " WHERE account.code = :account AND entry.month <= coalesce(:month, entry.month)"
        " AND entry.programme = coalesce(:only, entry.programme) ORDER BY entry.programme, entry.number",
        {"account": account, "month": Month.parse(month).first if month else None},
    )
    known = (
        rows
        or account.startswith("budget:")
        or books.rows("SELECT 1 FROM account WHERE code = :account", {"account": account})
    )
    require(f"balance:{rest}", [known] if known else [])  # a programme without a budget has no budget accounts
    charges = [one for row in rows for one in _charges_of_entry(books, row.programme, row.reference)]
    return Found(
        amount_krw=sum(row.amount_krw for row in rows),
        parents=[f"entry:{row.programme}/{row.number}" for row in rows],
        charges=charges,
    )


def _invoice(books: Books, rest: str) -> Found:
    """A company invoice or credit note by its number: what it says, and the charges that it bills."""
    names = ("kind", "issuer", "year", "number")
    rows = books.rows(
        "SELECT id, month, project, total_krw FROM document WHERE kind = :kind AND issuer = :issuer AND year = :year"
        " AND number = :number AND programme = coalesce(:only, programme)",
        dict(zip(names, parse_number(rest), strict=True)),
    )
    require(f"invoice:{rest}", rows)
    (row,) = rows
    billed = "SELECT line FROM document_item WHERE document_id = :id"
    return Found(
        amount_krw=row.total_krw,
        parents=[f"balance:receivable:company:{row.project}@{row.month:%Y-%m}"],
        charges=booked(
            books, f"month = :month AND project = :project AND (line IS NULL OR line IN ({billed}))",
            {"month": row.month, "project": row.project, "id": row.id},
        ),
    )  # fmt: skip


def _tax_document(books: Books, rest: str) -> Found:
    """A tax document by its number: supply and VAT, the original of a modified one, and the charges that it carries."""
    form = tax_form(books.connection, rest)
    found = booked(
        books, "charge.id IN (SELECT charge_id FROM document_charge WHERE document_id = :id)", {"id": form.id}
    )
    require(f"tax:{rest}", found)
    parents = [f"tax:{form.original.number}"] if form.original else []
    return Found(amount_krw=form.supply_krw + form.vat_krw, parents=parents, charges=found)


def _matrix(books: Books, rest: str) -> Found:
    month, source, use = (*rest.split("/", 2), "", "")[:3]
    at = {"month": Month.parse(month).first, "use": use}
    conditions = {
        "operator_usage": OPERATOR_USAGE if source == "company_direct" else f"{OPERATOR_USAGE} AND line IS NOT NULL",
        "platform_fee": "kind = 'fee'",
        "incentive_pool": "kind = 'fee'",
        "total": "true",
        "*": "true" if source == "company_direct" else "line IS NOT NULL",
    }
    charges = booked(books, f"month = :month AND {conditions.get(use, 'supplier = :use')}", at)
    if use not in conditions:  # a supplier without a charge in the month stands in the matrix with zero
        known = "SELECT 1 FROM agreement_line WHERE supplier = :use LIMIT 1"
        require(f"matrix:{rest}", charges or books.rows(known, at))
    return Found(amount_krw=None, parents=[f"tie:{month}"], charges=charges)


def _incentive(books: Books, rest: str) -> Found:
    month, _, hospital = rest.partition("/")
    at = {"month": Month.parse(month).first, "hospital": hospital}
    (row,) = books.rows(
        "SELECT sum(share_krw)::bigint AS krw FROM incentive_share WHERE month = :month AND hospital = :hospital"
        " AND programme = coalesce(:only, programme)",
        at,
    )
    charges = booked(books, "month = :month AND supplier = :hospital AND kind = 'preparation'", at)
    return Found(amount_krw=row.krw, parents=[f"balance:payable:incentive:{hospital}@{month}"], charges=charges)


def _budget(books: Books, rest: str) -> Found:
    month = rest.split("/")[0]
    charges = booked(books, "month <= :month AND line IS NOT NULL", {"month": Month.parse(month).first})
    return Found(amount_krw=None, parents=[f"balance:budget:available@{month}"], charges=charges)


def _tie(books: Books, rest: str) -> Found:
    month = rest.split("/")[0]
    return Found(amount_krw=None, charges=booked(books, "month = :month", {"month": Month.parse(month).first}))


def _nothing_below(_books: Books, _rest: str) -> Found:
    """Reference data and intake counts stand by themselves."""
    return Found(amount_krw=None)


FOLLOW = {
    "charge": _charge,
    "line": _line,
    "entry": _entry,
    "balance": _balance,
    "claim": claim_found,
    "invoice": _invoice,
    "tax": _tax_document,
    "matrix": _matrix,
    "incentive": _incentive,
    "budget": _budget,
    "tie": _tie,
    "registry": _nothing_below,
    "intake": _nothing_below,
}


def _cell(books: Books, reference: str) -> Found:
    """A cell of a published workbook: what the reference of its cell, or of each cell that it sums, leads to."""
    path, sheet, cell = (*reference.rsplit("!", 2), "", "")[:3]
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    books = replace(books, programme=_published_by(books, path, content))
    found = locate(content, sheet, cell)
    references = _summed(content, sheet, found.removeprefix("sum:")) if found.startswith("sum:") else [found]
    charges = [one for name in references for one in _followed(books, name).charges]
    return Found(amount_krw=cell_value(content, sheet, cell), parents=references, charges=charges)


def _published_by(books: Books, path: str, content: bytes) -> str:
    """The programme of a published file. One that was sorted, edited or never published proves nothing."""
    digest = sha256(content).hexdigest()
    rows = books.rows("SELECT programme FROM published_file WHERE sha256 = :digest LIMIT 1", {"digest": digest})
    if not rows:
        raise BadInput(
            f"{path}: 공표한 통합문서가 아니거나 그 뒤에 바뀌었습니다. `jeongsan statements` 로 다시 받으세요 "
            f"(not a published workbook, or changed since; sha256 {digest})."
        )
    return rows[0].programme


def _summed(content: bytes, sheet: str, area: str) -> list[str]:
    """The references of the cells of an area that have one."""
    found = {}
    for cell in addresses(area):
        try:
            name = locate(content, sheet, cell)
        except BadInput:
            continue
        if name.partition(":")[0] in FOLLOW:
            found[name] = True
    return list(found)


def _usage(one: Booked) -> dict:
    row = one.row
    unit, scale = USAGE_UNITS.get(row.kind, (row.unit, 1000))
    key = row.description if row.line is None or row.kind in USAGE_UNITS else f"{row.line}/{row.description}"
    return {
        "project": row.project,
        "month": str(row.service_month),
        "meter": row.kind,
        "key": key,
        "quantity": decimal_text(Fraction(row.quantity_base, scale)),
        "unit": unit,
    }


def _events(connection: Connection, charges: Sequence[Booked]) -> list[dict]:
    """The events behind charge rows, each once, EVENT_LIMIT at most."""
    seqs = {seq for one in charges for seq in (one.row.work_seq, one.row.accept_seq) if seq is not None}
    found = usage.events_by_seq(connection, usage.with_corrections(connection, sorted(seqs))) if seqs else []
    for one in charges:
        if one.row.kind in USAGE_UNITS:
            month = one.row.service_month
            found += usage.event_refs(
                connection, one.row.project, one.row.kind, one.row.description, month.first, (month + 1).first,
                one.mark, EVENT_LIMIT,
            )  # fmt: skip
    unique = {(event["source"], event["id"]): event for event in found}
    return list(unique.values())[:EVENT_LIMIT]


def _event(books: Books, reference: str, rest: str) -> dict:
    """Back from an event, `event:SOURCE#ID`, to the charge rows that it is part of."""
    source, _, identity = rest.rpartition("#")
    event = usage.event_by_identity(books.connection, source, identity)
    if event is None:
        raise BadInput(f"'{reference}': 저장된 이벤트가 아닙니다 (no stored event): event:SOURCE#ID")
    charges = booked(books, "work_seq = :seq OR accept_seq = :seq", {"seq": event.seq})
    if event.meters:
        charges += booked(
            books,
            "project = :project AND kind = ANY(:meters) AND description = :key"
            " AND service_month BETWEEN :first AND :last",
            {"project": event.project, "meters": list(event.meters), "key": event.key,
             "first": Month.of(event.first_day).first, "last": Month.of(event.last_day).first},
        )  # fmt: skip
    return {
        "ref": reference, "kind": "event", "amount_krw": sum(one.row.amount_krw for one in charges),
        "parents": [one.reference for one in charges], "charges": [one.reference for one in charges],
        "usage": [_usage(one) for one in charges], "events": [event.reference],
    }  # fmt: skip

"""invoices: company invoices and credit notes, what of them is open and overdue, and their Excel."""

from datetime import date, datetime
from pathlib import Path

import click

from billing.company_balance import CompanyBalance, company_balances
from billing.dunning import Overdue, overdue
from billing.invoice import OpenInvoice, receivables
from billing.invoice_reading import open_krw, read_invoice
from core.database import service_engine
from core.month import Month, kst_day
from portal.command import Answer, Call, Day, command
from portal.month_text import table, won
from portal.programmes import asked
from portal.text import exact
from reports.invoice import invoice_view, write_invoice

commands = click.Group()
invoices = click.Group("invoices", help="Company invoices: what was billed, paid, is open and overdue.")
commands.add_command(invoices)

HEAD = (
    ("번호", "number"), ("과제", "project"), ("기업", "company"), ("월", "month"), ("발행일", "issued"),
    ("기한", "due"), ("금액", "total"), ("남은 금액", "open"),
)  # fmt: skip


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None


@command(invoices, "list", help="Invoices and credit notes, oldest first.")
@click.option("--programme", help="Programme code; all of them when left out.")
@click.option("--company", help="Company code; all of them when left out.")
@click.option("--month", help="Only those of this month.")
@click.option("--open", "only_open", is_flag=True, help="Only those that have something open.")
@click.option("--at", type=Day(), help="As known at the end of this local day; now when left out.")
def list_invoices(
    call: Call, programme: str | None, company: str | None, month: str | None, only_open: bool, at: datetime | None
) -> Answer:
    """What is open of each: payments that name an invoice go to it first, all else to the oldest."""
    wanted = Month.parse(month) if month else None
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        found = [
            one
            for receivable in receivables(connection, programme, company, _day(at))
            for one in receivable.invoices
            if wanted in (None, one.month) and (one.open_krw or not only_open)
        ]
    return Answer(document={"invoices": [_listed(one) for one in found]}, text=_list_text(call, found))


def _listed(one: OpenInvoice) -> dict:
    return {
        "number": one.number, "kind": one.kind, "programme": one.programme, "project": one.project,
        "company": one.company, "month": str(one.month), "issued_on": str(one.issued_on), "due_on": str(one.due_on),
        "total_krw": one.total_krw, "open_krw": one.open_krw,
    }  # fmt: skip


def _list_text(call: Call, found: list[OpenInvoice]) -> str:
    if not found:
        return call.say("해당하는 청구서가 없습니다.", "No such invoices.")
    rows = [[one.number, one.project, one.company, str(one.month), str(one.issued_on), str(one.due_on),
             won(one.total_krw), won(one.open_krw)] for one in found]  # fmt: skip
    return "\n".join(table([[call.say(*pair) for pair in HEAD], *rows], 6))


@command(invoices, "show", help="An invoice with its parties, items and what of it is open.")
@click.argument("number")
def show(call: Call, number: str) -> Answer:
    """As it was issued; `open_krw` as known now."""
    with service_engine(call.settings).connect() as connection:
        invoice = read_invoice(connection, number)
        document = {**invoice_view(invoice), "open_krw": open_krw(connection, invoice)}
    return Answer(document=document, text=_invoice_text(call, document))


def _invoice_text(call: Call, document: dict) -> str:
    say, issuer, recipient = call.say, document["issuer"], document["recipient"]
    lines = [
        f"{document['number']}  {document['programme']} {document['project']} {document['month']}",
        f"  {issuer['name']} → {recipient['name']}  "
        + say(f"발행 {document['issued_on']}, 납부 기한 {document['due_on']}",
              f"issued {document['issued_on']}, due {document['due_on']}"),
        "",
    ]  # fmt: skip
    rows = [[one["description"], one["service_month"], one["remark"], won(one["supply_krw"]), won(one["vat_krw"]),
             won(one["own_krw"])] for one in document["items"]]  # fmt: skip
    head = [say("내용", "item"), say("귀속월", "month"), say("비고", "remark"), say("공급가액", "supply"),
            say("부가세", "VAT"), say("기업 부담", "company pays")]  # fmt: skip
    lines += [f"  {line}" for line in table([head, *rows], 3)]
    total, left = exact(document["total_krw"]), exact(document["open_krw"])
    return "\n".join([*lines, "", say(f"  납부할 금액 {total}원, 남은 금액 {left}원", f"  total {total}, open {left}")])


@command(invoices, "export", help="An invoice as an Excel workbook.")
@click.argument("number")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def export(call: Call, number: str, out: Path) -> Answer:
    """The same bytes whenever it is written: what was stored at issue."""
    with service_engine(call.settings).connect() as connection:
        digest = write_invoice(read_invoice(connection, number), out)
    return Answer(
        document={"number": number, "file": out.name, "sha256": digest},
        text=call.say(f"{number}: {out} 에 썼습니다.", f"{number} written to {out}."),
    )


@command(invoices, "dunning", help="What is overdue at a day, by company, with the reminder level.")
@click.option("--at", type=Day(), help="Local day; that of --now when left out.")
@click.option("--programme", help="Programme code; all of them when left out.")
def dunning(call: Call, at: datetime | None, programme: str | None) -> Answer:
    """Only what is still open; levels by the programme's `due.reminder_days`."""
    day = _day(at) or kst_day(call.now)
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        found = overdue(connection, day, programme)
    companies = [
        {
            "company": company,
            "open_krw": sum(one.invoice.open_krw for one in late),
            "invoices": [
                {**_listed(one.invoice), "overdue_days": one.overdue_days, "level": one.level} for one in late
            ],
        }
        for company, late in found.items()
    ]
    return Answer(document={"at": str(day), "companies": companies}, text=_dunning_text(call, day, found))


def _dunning_text(call: Call, day: date, found: dict[str, list[Overdue]]) -> str:
    if not found:
        return call.say(f"{day}: 기한이 지난 청구서가 없습니다.", f"{day}: nothing is overdue.")
    lines = []
    for company, late in found.items():
        total = won(sum(one.invoice.open_krw for one in late))
        lines.append(call.say(f"{company}: 연체 {total}원", f"{company}: {total} won overdue"))
        rows = [[one.invoice.number, one.invoice.project, str(one.invoice.due_on), won(one.invoice.open_krw),
                 call.say(f"{one.overdue_days}일", f"{one.overdue_days} days"),
                 call.say(f"{one.level}차", f"level {one.level}")] for one in late]  # fmt: skip
        lines += [f"  {line}" for line in table(rows, 3)]
    return "\n".join(lines)


@command(invoices, "balance", help="What each company was billed, credited, paid and still owes, beside the books.")
@click.option("--programme", help="Programme code; all of them when left out.")
@click.option("--company", help="Company code; all of them when left out.")
def balance(call: Call, programme: str | None, company: str | None) -> Answer:
    """By project; exit code 1 where it is not what the books have on the receivable."""
    with service_engine(call.settings).connect() as connection:
        asked(connection, programme)
        found = company_balances(connection, programme, company)
    document = {"balances": [_balance(one) for one in found]}
    return Answer(
        document=document, text=_balance_text(call, found), exit_code=int(any(one.difference_krw for one in found))
    )


def _balance(one: CompanyBalance) -> dict:
    about = one.receivable
    return {
        "programme": about.programme, "project": about.project, "company": about.company,
        "billed_krw": about.billed_krw, "credited_krw": about.credited_krw, "paid_krw": about.paid_krw,
        "open_krw": about.open_krw, "unapplied_krw": about.unapplied_krw, "balance_krw": about.balance_krw,
        "books_krw": one.books_krw, "difference_krw": one.difference_krw,
    }  # fmt: skip


def _balance_text(call: Call, found: list[CompanyBalance]) -> str:
    say = call.say
    names = ("billed_krw", "credited_krw", "paid_krw", "open_krw", "unapplied_krw", "books_krw", "difference_krw")
    head = [say("기업", "company"), say("과제", "project"), say("청구", "billed"), say("차감", "credited"),
            say("납부", "paid"), say("남은 금액", "open"), say("미충당", "unapplied"), say("장부 잔액", "books"),
            say("차이", "difference")]  # fmt: skip
    rows = [[row["company"], row["project"], *(won(row[name]) for name in names)] for row in map(_balance, found)]
    return "\n".join(table([head, *rows], 2))

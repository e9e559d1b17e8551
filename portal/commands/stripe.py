"""stripe: collects invoices and deposits by Stripe, gives back, asks for what no webhook brought, reconciles a day."""

from datetime import date

import click

from billing.stripe_client import StripeClient
from billing.stripe_collect import Collection
from billing.stripe_collect import collect as collect_parts
from billing.stripe_intake import listed_events
from billing.stripe_poll import poll as poll_stripe
from billing.stripe_reconcile import Reconciliation
from billing.stripe_reconcile import reconcile as reconcile_day
from billing.stripe_refund import refund as refund_parts
from core.database import service_engine
from portal.command import Answer, Call, Day, command
from portal.month_text import table
from portal.programmes import asked

commands = click.Group()
stripe = click.Group("stripe", help="What Stripe collects: payment intents, refunds, events, the day's reconciliation.")
commands.add_command(stripe)


@command(stripe, "collect", help="Has payment intents made for what is open of projects with the channel stripe.")
@click.option("--programme", help="Programme code; all of them when left out.")
@click.option("--invoice", metavar="NUMBER", help="Only this invoice, or deposit:PROJECT.")
def collect(call: Call, programme: str | None, invoice: str | None) -> Answer:
    """In parts of 99,999,999 won at most; again, it asks for nothing that is asked for already."""
    engine = service_engine(call.settings)
    with engine.connect() as connection:
        asked(connection, programme)
    found = collect_parts(engine, StripeClient(call.settings), call.now, programme=programme, invoice=invoice)
    document = {
        "new": found.new,
        "parts": [
            {"invoice": one.reference, "part": one.part, "amount_krw": one.amount_krw, "status": one.status,
             "intent": one.intent_id} for one in found.parts
        ],
        "left": [{"invoice": reference, "amount_krw": krw, "reason": reason} for reference, krw, reason in found.left],
    }  # fmt: skip
    return Answer(document=document, text=_collected(call, found))


def _collected(call: Call, found: Collection) -> str:
    lines = [call.say(f"새 결제 {found.new}건", f"{found.new} new payment intents")]
    if found.parts:
        lines += table(
            [[one.reference, str(one.part), one.status, one.intent_id or "-", f"{one.amount_krw:,}"]
             for one in found.parts], right=4,
        )  # fmt: skip
    return "\n".join([*lines, *(f"  {reference}  {krw:,}  {reason}" for reference, krw, reason in found.left)])


@command(stripe, "refund", help="Gives back won of what Stripe collected for an invoice, or for deposit:PROJECT.")
@click.argument("number")
@click.option("--krw", type=int, required=True, help="How many won.")
@click.option("--reason", required=True, help="Why; the same amount for the same reason is the same refund.")
@click.option("--by", required=True, metavar="NAME", help="Who asks for it: role finance.")
def refund(call: Call, number: str, krw: int, reason: str, by: str) -> Answer:
    """Never above what was collected. A second call with the same says so and gives nothing back again."""
    pieces = refund_parts(service_engine(call.settings), StripeClient(call.settings), number, krw, reason, by, call.now)
    document = {
        "invoice": number,
        "refunds": [{"part": one.part, "amount_krw": one.amount_krw, "refund": one.refund_id, "status": one.status,
                     "again": one.again} for one in pieces],
    }  # fmt: skip
    again = call.say(" (이미 요청함)", " (asked for before)")
    return Answer(
        document=document,
        text="\n".join(
            f"{number} {one.part}: {one.amount_krw:,}  {one.refund_id or '-'}  {one.status}{again if one.again else ''}"
            for one in pieces
        ),
    )


@command(stripe, "poll", help="Asks Stripe for what no webhook brought.")
def poll(call: Call) -> Answer:
    """Events, payments, refunds, the balance's movements and payouts since the last poll, a day earlier to be safe."""
    engine = service_engine(call.settings)
    found = poll_stripe(engine, StripeClient(call.settings), call.now, live=call.settings.stripe_live)
    document = {
        "since": found.since.isoformat(),
        "events": {name: found.events.get(name, 0) for name in ("booked", "recorded", "listed", "already")},
        "booked": found.booked,
        "listed": [{"id": name, "reason": reason} for name, reason in found.listed],
    }
    events = document["events"]
    lines = [
        call.say(
            f"사건 {sum(events.values())}건: 장부에 기록 {events['booked']}, 기록만 {events['recorded']}, "
            f"받지 않음 {events['listed']}, 이미 받음 {events['already']}; 그 밖에 장부에 기록 {found.booked}",
            f"{sum(events.values())} events: {events['booked']} booked, {events['recorded']} recorded, "
            f"{events['listed']} listed, {events['already']} taken before; {found.booked} booked beside them",
        )
    ]
    return Answer(document=document, text="\n".join(lines + [f"  {name}  {reason}" for name, reason in found.listed]))


@command(stripe, "events", help="Stripe's events that were not taken, and why.")
def events(call: Call) -> Answer:
    """Without those whose object was booked later."""
    with service_engine(call.settings).connect() as connection:
        found = listed_events(connection)
    document = {"events": [vars(one) | {"created_at": one.created_at.isoformat()} for one in found]}
    none = call.say("받지 않은 사건이 없습니다.", "No event was left out.")
    lines = [f"{one.created_at:%Y-%m-%d %H:%M}  {one.id}  {one.type}  {one.object_id}  {one.reason}" for one in found]
    return Answer(document=document, text="\n".join(lines) or none)


@command(stripe, "reconcile", help="Charges, invoices, Stripe's balance, payouts and bank up to the end of a day.")
@click.option("--day", type=Day(), required=True, help="The local day.")
def reconcile(call: Call, day: date) -> Answer:
    """Every difference with its ids; exit code 1 if there is one."""
    with service_engine(call.settings).connect() as connection:
        found = reconcile_day(connection, day.date())
    document = {
        "day": str(found.day),
        "of_day": found.of_day,
        "to_day": found.to_day,
        "differences": [
            {"check": one.check, "ids": list(one.ids), "stripe_krw": one.stripe_krw, "other_krw": one.other_krw}
            for one in found.differences
        ],
    }
    return Answer(document=document, text=_reconciled(call, found), exit_code=1 if found.differences else 0)


FIGURES = (
    ("charges_krw", "결제", "charges"), ("refunds_krw", "환불", "refunds"), ("fees_krw", "수수료", "fees"),
    ("payouts_krw", "입금", "payouts"), ("cash_krw", "Stripe 잔액", "cash:stripe"),
)  # fmt: skip


def _reconciled(call: Call, found: Reconciliation) -> str:
    head = [str(found.day), call.say("그날", "of the day"), call.say("누계", "to the day")]
    rows = [
        [call.say(korean, english), f"{found.of_day[name]:,}", f"{found.to_day[name]:,}"]
        for name, korean, english in FIGURES
    ]
    lines = table([head, *rows], right=1)
    lines.append(call.say(f"차이 {len(found.differences)}건", f"{len(found.differences)} differences"))
    return "\n".join(lines + [
        f"  {one.check}  {' '.join(one.ids)}  {_shown(one.stripe_krw)} ≠ {_shown(one.other_krw)}"
        for one in found.differences
    ])  # fmt: skip


def _shown(krw: int | None) -> str:
    return "없음 (none)" if krw is None else f"{krw:,}"

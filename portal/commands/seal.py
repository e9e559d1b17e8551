"""seal: what a locked month leaves to print and sign."""

from hashlib import sha256
from pathlib import Path

import click

from closing.seal import seal, seal_text
from core.database import service_engine
from core.month import Month
from portal.command import Answer, Call, command
from portal.month_text import table, won
from portal.programmes import asked
from reports.guarded_csv import not_writable

commands = click.Group()


@command(commands, "seal", help="Writes a locked month's seal: the journal's head, control totals, statement hashes.")
@click.argument("month")
@click.option("--programme", required=True, help="Programme code.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write; stdout when left out.")
def write(call: Call, month: str, programme: str, out: Path | None) -> Answer:
    """`jeongsan verify --against FILE` proves later that nothing up to the month has changed."""
    wanted = Month.parse(month)
    with service_engine(call.settings).connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        asked(connection, programme)
        document = seal(connection, programme, wanted)
    content = seal_text(document)
    digest = sha256(content.encode()).hexdigest()
    if out is not None:
        try:
            out.write_text(content, encoding="utf-8", newline="\n")
        except OSError as error:
            raise not_writable(out, error) from None
    answer = {"out": str(out) if out else None, "sha256": digest, "seal": document}
    return Answer(document=answer, text=_page(call, document, out, digest) if out else content.rstrip("\n"))


def _page(call: Call, document: dict, out: Path, digest: str) -> str:
    """The page to print and sign: what the seal holds, the hash of its file, and room for three names."""
    say, journal, charges, intake = call.say, document["journal"], document["charges"], document["intake"]
    figures = [
        [say("마감", "locked at"), document["locked_at"]],
        [say("분개", "entries"), f"{journal['entries']:,} (№ 1–{journal['last_number']:,})"],
        [say("마지막 분개의 해시", "hash of the last entry"), journal["head_hash"] or "-"],
        [say("청구행", "charge rows"), f"{charges['rows']:,}"],
        [say("청구 공급가액 · 부가세(원)", "charged, VAT (KRW)"),
         f"{won(charges['amount_krw'])} · {won(charges['vat_krw'])}"],
        [say("사용 기록 = 저장 + 중복 + 격리 + 판독 불가", "events: stored + duplicate + held + unreadable"),
         f"{intake['received']:,} = " + " + ".join(
             f"{intake[name]:,}" for name in ("stored", "duplicate", "quarantined", "dead_lettered"))],
        [say("봉인 파일", "seal file"), str(out)],
        ["SHA-256", digest],
    ]  # fmt: skip
    head = [
        say("계정", "account"),
        say("차변(원)", "debit (KRW)"),
        say("대변(원)", "credit (KRW)"),
        say("잔액", "balance"),
    ]
    accounts = [[code, *(won(sums[side]) for side in ("debit_krw", "credit_krw", "balance_krw"))]
                for code, sums in journal["accounts"].items()]  # fmt: skip
    files = [[digest_of, name] for name, digest_of in document["statements"].items()]
    return "\n".join([
        say(f"정산 봉인  {document['programme']}  {document['month']}",
            f"Settlement seal  {document['programme']}  {document['month']}"),
        "", *table(figures, 2), "", *table([head, *accounts], 1), "",
        say("정산서 (SHA-256)", "statements (SHA-256)"), *table(files, 2), "",
        say("확인한 사람은 위 SHA-256이 봉인 파일의 것과 같은지 보고 서명합니다.",
            "Whoever signs has compared the SHA-256 above with that of the file."),
        "", *(f"{role}: ____________________   {say('날짜', 'date')}: ______________   ({say('서명', 'signature')})"
              for role in (say("담당", "prepared"), say("검토", "reviewed"), say("승인", "approved"))),
    ])  # fmt: skip

"""A month's figures as a few readable lines of text."""

import unicodedata

from portal.command import Call

STATES = {"open": "미실행", "running": "진행 중", "locked": "마감"}
SOURCES = {"voucher": "바우처", "self_pay": "자부담", "company_direct": "기업 직접"}


def width(text: str) -> int:
    """How many terminal columns a text takes; Hangul takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def table(rows: list[list[str]], right: int) -> list[str]:
    """Rows as aligned text: columns from number `right` on to the right."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            " " * (widths[column] - width(cell)) + cell
            if column >= right
            else cell + " " * (widths[column] - width(cell))
            for column, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def won(krw: int) -> str:
    """`1,234`, `△1,234`, zero `-`."""
    return f"△{-krw:,}" if krw < 0 else f"{krw:,}" if krw else "-"


def month_text(call: Call, document: dict, *, dry: bool = False) -> str:
    """What a person wants to know of a month: sources, lines, budget, ties; `dry`: that it was not booked."""
    say = call.say
    state = say(STATES[document["state"]], document["state"])
    if dry and document["state"] != "locked":
        state = say("미리 보기, 아무것도 기록하지 않음", "dry run, nothing booked")
    charges = document["charges"]
    corrections = sum(row["correction"] for row in charges)
    lines = [
        f"{document['programme']} {document['month']} · {state}",
        say(
            f"청구행 {len(charges)}개 (정정 {corrections}개)", f"{len(charges)} charge rows ({corrections} corrections)"
        ),
        "",
    ]
    head = [say("재원", "source"), say("금액(원)", "KRW")]
    matrix = document["matrix"]
    rows = [[say(SOURCES[source], source), won(sum(matrix[source].values()))] for source in SOURCES]
    rows.append([say("합계", "total"), won(sum(sum(uses.values()) for uses in matrix.values()))])
    lines += table([head, *rows], 1)
    lines += ["", *_lines(call, document), "", *_budget(call, document["budget"]), ""]
    failed = [tie for tie in document["ties"] if tie["difference"] not in (0, "0")]
    lines += [f"✗ {tie['name']}: {tie['left']} ≠ {tie['right']} ({tie['note']})" for tie in failed]
    if document["ties"]:
        lines.append(
            say(f"대사 {len(document['ties'])}건, 차이 {document['differences']}건",
                f"{len(document['ties'])} ties, {document['differences']} differences")
        )  # fmt: skip
    return "\n".join(lines)


NAMES = {
    "supply_krw": ("공급가액", "supply"), "voucher_krw": ("바우처", "voucher"), "self_pay_krw": ("자부담", "self-pay"),
    "excess_krw": ("초과", "excess"), "vat_krw": ("부가세", "VAT"), "held_krw": ("보류", "held"),
    "total_krw": ("부담 계", "pays in all"), "amount_krw": ("공급가액", "supply"),
}  # fmt: skip
KINDS = {"gpu": ("GPU", "GPU"), "cpu": ("CPU", "CPU"), "storage": ("저장공간", "storage"), "fee": ("이용료", "fee")}


def what_if_text(call: Call, document: dict) -> str:
    """The figures of a month that an assumption changes: real, assumed, difference; in won."""
    say = call.say
    rows = [
        [f"{say(*KINDS.get(code, (code, code)))} {say(*NAMES[name])}", won(real),
         won(document["assumed"][part][code][name]), won(document["difference"][part][code][name])]
        for part, codes in document["real"].items() for code, figures in codes.items() for name, real in figures.items()
        if document["difference"][part][code][name]
    ]  # fmt: skip
    head = [say("가정에 따라 달라지는 값", "changed by the assumption"), say("실제", "real"), say("가정", "assumed"),
            say("차이", "difference")]  # fmt: skip
    lines = table([head, *rows], 1)
    return "\n\n" + "\n".join(lines if rows else [say("달라지는 값이 없습니다.", "Nothing changes.")])


def _lines(call: Call, document: dict) -> list[str]:
    say = call.say
    head = [say("협약 line", "line"), say("공급가액", "supply"), say("바우처", "voucher"), say("자부담", "self-pay"),
            say("초과", "excess"), say("부가세", "VAT"), say("보류", "held")]  # fmt: skip
    rows = [[code, *(won(krw) for krw in figures.values())] for code, figures in document["lines"].items()]
    return table([head, *rows], 1)


def _budget(call: Call, budget: dict) -> list[str]:
    say = call.say
    rows = [
        [say("예산현액", "current budget"), won(budget["current_krw"])],
        [
            say("집행 (당월)", "executed (month)"),
            f"{won(budget['executed_krw'])} ({won(budget['executed_month_krw'])})",
        ],
        [say("약정", "committed"), won(budget["committed_krw"])],
        [say("가용", "available"), won(budget["available_krw"])],
    ]
    return table(rows, 1)

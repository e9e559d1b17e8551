"""What the demo ends with: counts, the budget bar, the months, findings, where the files are."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reports.ties import Finding

Say = Callable[[str, str], str]
BAR = 48


def differences(months: Sequence[Mapping], checked: Mapping) -> int:
    """Differences over all months, and what `verify --deep` calls an error."""
    errors = sum(finding["level"] == "ERROR" for finding in checked["findings"])
    return sum(month["differences"] for month in months) + errors


def render(
    say: Say, intake: Mapping, months: Sequence[Mapping], found: Sequence[Finding], checked: Mapping, out: Path
) -> str:
    """The whole report; its last line is `reconciled: N differences`."""
    files = sorted(out.rglob("*.xlsx"))
    parts = [
        _intake(say, intake),
        _budget(say, months[-1]["budget"]),
        _months(say, months),
        _findings(say, [*(Finding(**one) for one in checked["findings"]), *found]),
        say(f"정산서 {len(files)}개: {out.absolute()}", f"{len(files)} statements: {out.absolute()}"),
        f"reconciled: {differences(months, checked)} differences",
    ]
    return "\n\n".join(parts[:-2]) + "\n\n" + "\n".join(parts[-2:])


def _intake(say: Say, intake: Mapping) -> str:
    labels = (
        ("stored", say("저장", "stored")),
        ("duplicate", say("중복", "duplicate")),
        ("quarantined", say("격리", "quarantined")),
        ("dead_lettered", say("읽을 수 없음", "dead letters")),
    )
    counted = " + ".join(f"{label} {intake[key]:,}" for key, label in labels)
    sign = "=" if intake["balanced"] else "≠"
    return (
        say(f"사용 기록: 받음 {intake['received']:,} ", f"Events: received {intake['received']:,} ")
        + f"{sign} {counted}"
    )


def _budget(say: Say, budget: Mapping) -> str:
    current = budget["current_krw"]
    parts = (
        ("█", say("집행", "executed"), budget["executed_krw"]),
        ("▒", say("약정", "committed"), budget["committed_krw"]),
        ("░", say("가용", "available"), budget["available_krw"]),
    )
    ends = [sum(krw for _, _, krw in parts[: number + 1]) * BAR // current for number in range(3)]
    bar = "".join(sign * (end - begin) for (sign, _, _), begin, end in zip(parts, [0, *ends], ends, strict=False))
    named = " + ".join(f"{sign} {name} {krw:,} ({percent(krw, current)})" for sign, name, krw in parts)
    title = say(f"예산현액 {current:,}원", f"Current budget {current:,} won")
    return f"{title}\n  [{bar}]\n  = {named}"


def percent(part: int, whole: int) -> str:
    """A share with one decimal, rounded half up, as text."""
    permille = (part * 2000 + whole) // (2 * whole)
    return f"{permille // 10}.{permille % 10} %"


def _months(say: Say, months: Sequence[Mapping]) -> str:
    headings = (
        say("월", "month"), say("바우처", "voucher"), say("자부담", "self-pay"), say("GPU·저장공간", "GPU, storage"),
        say("이용료", "fee"), say("참여유인", "incentive"), say("보류", "held"), say("정정", "corrections"),
        say("차이", "differences"),
    )  # fmt: skip
    rows = [headings, *(_month_row(month) for month in months)]
    total = [sum(int(row[column].replace(",", "")) for row in rows[1:]) for column in range(1, len(headings))]
    total[5] = int(rows[-1][6].replace(",", ""))  # what is held is a state at the close, not a flow
    rows.append((say("계", "total"), *(f"{krw:,}" for krw in total)))
    widths = [max(wide(row[column]) for row in rows) for column in range(len(headings))]
    lines = [
        "  ".join(" " * (width - wide(cell)) + cell for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    return "\n".join([say("월별 (단위: 원)", "By month (won)"), *("  " + line for line in lines)])


def _month_row(month: Mapping) -> tuple[str, ...]:
    lines = month["lines"].values()

    def charged(*kinds: str) -> int:
        return sum(charge["amount_krw"] for charge in month["charges"] if charge["kind"] in kinds)

    return (
        month["month"],
        f"{sum(line['voucher_krw'] for line in lines):,}",
        f"{sum(line['self_pay_krw'] for line in lines):,}",
        f"{charged('gpu', 'storage'):,}",
        f"{charged('fee'):,}",
        f"{month['incentive']['distributed_krw']:,}",
        f"{sum(line['held_krw'] for line in lines):,}",
        f"{sum(charge['correction'] for charge in month['charges']):,}",
        f"{month['differences']:,}",
    )


def _findings(say: Say, findings: Sequence[Finding]) -> str:
    """How often each check found something, with its first finding."""
    if not findings:
        return say("점검 결과: 지적 사항이 없습니다.", "Findings: none.")
    by_check: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        by_check.setdefault((one.level, one.check), []).append(one)
    shown = [
        f"  {level:5} {check} ({len(found)}): {say(found[0].message, found[0].english or found[0].message)}"
        for (level, check), found in by_check.items()
    ]
    return "\n".join([say(f"점검 결과 {len(findings)}건", f"Findings: {len(findings)}"), *shown])


def wide(text: str) -> int:
    """Columns that a text takes in a terminal; a Hangul syllable takes two."""
    return sum(2 if "가" <= letter <= "힣" else 1 for letter in text)

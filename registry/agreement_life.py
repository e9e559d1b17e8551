"""An agreement through its life (domain.md §1): lines and last day as amended, what a version may not do. Pure."""

from collections.abc import Iterator
from datetime import date

from core.month import Month
from registry.reference import Agreement, Amendment, Consortium, Evidence, Line, Party, Payee

FIRST_DAY = date(2000, 1, 1)


def payees_of(party: Party) -> tuple[Payee, ...]:
    """A party's legal payees in the order of their days; none when it is paid itself."""
    if isinstance(party.payee, tuple):
        return party.payee
    return (party.payee,) if party.payee else ()


def consortia_of(party: Party) -> tuple[Consortium, ...]:
    """The consortia of a party, one after the other, in the order of their days."""
    if isinstance(party.consortium, tuple):
        return party.consortium
    return (Consortium(name=party.consortium),) if party.consortium else ()


def by_day(agreement: Agreement) -> list[Amendment]:
    """The amendments in the order in which they take effect."""
    return sorted(agreement.amendment, key=lambda one: one.effective)


def lines_of(agreement: Agreement) -> list[tuple[Line, date]]:
    """Every line with its first local day: those signed, then those that amendments added."""
    signed = [(line, agreement.starts) for line in agreement.line]
    return signed + [(line, one.effective) for one in by_day(agreement) for line in one.line]


def placed_lines(agreement: Agreement) -> Iterator[tuple[str, Line]]:
    """Every line with its path in the file, in the order of the file."""
    for number, line in enumerate(agreement.line, start=1):
        yield f"line[{number}]", line
    for position, one in enumerate(agreement.amendment, start=1):
        for number, line in enumerate(one.line, start=1):
            yield f"amendment[{position}].line[{number}]", line


def last_day(agreement: Agreement) -> date:
    """The last local day, extensions and termination counted."""
    extended = max([agreement.ends, *(one.ends for one in agreement.amendment if one.ends)])
    return min(extended, agreement.terminated.on) if agreement.terminated else extended


def life_problems(agreement: Agreement) -> Iterator[str]:
    """What is wrong with an agreement's versions, each with its path below the agreement."""
    if agreement.status == "draft" and (agreement.signed_on or agreement.amendment or agreement.terminated):
        yield ".status: 초안에는 signed_on, amendment, terminated를 적지 않습니다 (a draft is not signed nor amended)."
    if agreement.signed_on and agreement.signed_on > agreement.ends:
        yield f".signed_on: 협약이 끝나는 {agreement.ends} 뒤입니다 (after the agreement ends)."
    yield from _evidence("", agreement.evidence)
    yield from _amendments(agreement)
    ended = agreement.terminated
    if ended:
        yield from _evidence(".terminated", ended.evidence)
        last = max([agreement.ends, *(one.ends for one in agreement.amendment if one.ends)])
        if not agreement.starts <= ended.on < last:
            yield f".terminated.on: {agreement.starts}부터 {last} 전날까지의 날짜여야 합니다 (not before its end)."


def _evidence(place: str, evidence: Evidence | None) -> Iterator[str]:
    if evidence is not None and not (evidence.reference or evidence.sha256):
        yield f"{place}.evidence: reference나 sha256을 적으세요 (a reference or a hash)."


def _amendments(agreement: Agreement) -> Iterator[str]:
    days = [one.effective for one in agreement.amendment]
    starts, ended = {line.code: agreement.starts for line in agreement.line}, set()
    taken = {(code, Month.of(agreement.starts)) for code in starts}
    ends = agreement.ends
    for number, one in sorted(enumerate(agreement.amendment, start=1), key=lambda pair: pair[1].effective):
        place = f".amendment[{number}]"
        if one.effective in days[: number - 1]:
            yield f"{place}: '{one.effective}'이(가) 두 번 있습니다 (given twice)."
        if not agreement.starts <= one.effective <= ends:
            yield f"{place}.effective: 협약 기간 {agreement.starts}–{ends} 밖입니다 (outside the agreement)."
            continue
        if not (one.limits or one.line or one.end_lines or one.ends):
            yield f"{place}: 바꾸는 것이 없습니다. limits, line, end_lines, ends 가운데 적으세요 (nothing is changed)."
        yield from _evidence(place, one.evidence)
        yield from _limits(place, one, starts, taken)
        if one.line and one.effective == agreement.starts:
            yield f"{place}.line: 시작일의 줄은 협약의 line에 적으세요 (of the first day: the agreement's own line)."
        yield from _ended(place, one, starts, ended)
        for line in one.line:
            starts[line.code] = one.effective
            taken.add((line.code, Month.of(one.effective)))
        if one.ends is not None and one.ends <= ends:
            yield f"{place}.ends: {ends} 뒤여야 합니다. 일찍 끝내려면 terminated를 적으세요 (an extension is later)."
        ends = max(ends, one.ends or ends)


def _limits(place: str, one: Amendment, starts: dict[str, date], taken: set[tuple[str, Month]]) -> Iterator[str]:
    for code in one.limits:
        if code not in starts:
            yield f"{place}.limits.{code}: 협약에 없는 줄입니다 (no such line in the agreement)."
        elif (code, Month.of(one.effective)) in taken:
            yield (
                f"{place}.limits.{code}: {Month.of(one.effective)}의 한도가 이미 정해졌습니다. "
                "변경은 시작월이 아닌 달에, 한 달에 한 번입니다 (one limit a line and month)."
            )
        taken.add((code, Month.of(one.effective)))


def _ended(place: str, one: Amendment, starts: dict[str, date], ended: set[str]) -> Iterator[str]:
    for number, code in enumerate(one.end_lines, start=1):
        if code in ended or starts.get(code, date.max) >= one.effective:
            yield (
                f"{place}.end_lines[{number}]: '{code}': 그 전날까지 열려 있는 협약의 줄이 아닙니다 "
                "(no open line of the agreement that began before that day)."
            )
        ended.add(code)

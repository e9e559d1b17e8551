"""Checks reference data against itself and what was loaded before: codes, kinds, dates (contract.md §3)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.money import BASIS_POINTS
from core.month import Month
from registry.agreement_life import consortia_of, life_problems, lines_of, payees_of, placed_lines
from registry.brn import is_valid_brn
from registry.reference import (
    Agreement,
    Category,
    Consortium,
    Line,
    Party,
    Payee,
    Permit,
    PriceBook,
    Programme,
    Project,
    Rate,
    Result,
    Table,
)

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that will be there after the load, by (kind, code)."""

    objects: Mapping[Key, Table]

    def of(self, kind: str) -> Iterator[Table]:
        """Every object of a kind."""
        return (found for (its, _), found in self.objects.items() if its == kind)

    def signed(self) -> Iterator[Agreement]:
        """Every agreement that is more than a draft."""
        return (one for one in self.of("agreement") if one.status == "signed")

    def get(self, kind: str, code: str | None) -> Table | None:
        """An object by kind and code."""
        return self.objects.get((kind, code or ""))

    def programme_of(self, project: str) -> str | None:
        """The programme's code of a project, when the project is there."""
        found = self.get("project", project)
        return found.programme if found else None


def check(view: View, places: Mapping[Key, str]) -> list[str]:
    """What is wrong with the objects that have a place, each with its path in its file."""
    checks = {
        "party": _party, "programme": _programme, "project": _project, "agreement": _agreement,
        "permit": _permit, "price_book": _price_book, "result": _result,
    }  # fmt: skip
    problems = [
        f"{place}{problem}"
        for (kind, code), place in places.items()
        for problem in checks[kind](view, view.objects[kind, code])
    ]
    return problems + list(_lines_twice(view, places))


def _party_kind(view: View, field: str, code: str, *kinds: str) -> Iterator[str]:
    party = view.get("party", code)
    if party is None:
        yield f".{field}: '{code}': 등록되지 않은 참여자입니다. [[party]]로 먼저 등록하세요 (no such party)."
    elif party.kind not in kinds:
        yield f".{field}: '{code}'은(는) {party.kind}입니다. {' / '.join(kinds)} 이어야 합니다 (wrong kind of party)."


def _brn(field: str, brn: str | None) -> Iterator[str]:
    if brn is not None and not is_valid_brn(brn):
        yield f".{field}: '{brn}': 사업자등록번호가 아닙니다. 000-00-00000 꼴과 검증 숫자를 확인하세요 (invalid BRN)."


def _decimal(field: str, text: str | None) -> Iterator[str]:
    if text is not None and not re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII):
        yield f".{field}: '{text}': 0.95 같은 십진수로 적으세요. 소수는 9자리까지입니다 (not a decimal)."


def _twice(field: str, codes: list) -> Iterator[str]:
    for number, code in enumerate(codes, start=1):
        if code in codes[: number - 1]:
            yield f".{field}[{number}]: '{code}'이(가) 두 번 있습니다 (given twice)."


def _party(view: View, party: Party) -> Iterator[str]:
    yield from _brn("brn", party.brn)
    yield from _payees(party)
    yield from _dated("payee", payees_of(party))
    yield from _dated("consortium", consortia_of(party))
    if isinstance(party.consortium, str) and not re.fullmatch(r"[^\x00-\x1f\x7f]{1,300}", party.consortium):
        yield ".consortium: 비우지 말고 한 줄로 적으세요 (a name on one line)."
    if (party.size is None) == (party.kind == "company"):
        yield ".size: company에만, 그리고 반드시 small / medium 을 적으세요 (a company has a size, nobody else)."
    if party.quality is not None and party.kind != "hospital":
        yield ".quality: hospital에만 적습니다 (only a hospital has a quality)."
    yield from _decimal("quality", party.quality)


def _payees(party: Party) -> Iterator[str]:
    for number, one in enumerate(payees_of(party), start=1):
        place = f"payee[{number}]" if isinstance(party.payee, tuple) else "payee"
        yield from _brn(f"{place}.brn", one.brn)


def _dated(field: str, items: tuple[Payee, ...] | tuple[Consortium, ...]) -> Iterator[str]:
    """What is in force from a day on: the first may leave its day out."""
    for number, one in enumerate(items, start=1):
        if one.since is None and number > 1:
            yield f".{field}[{number}].from: 언제부터인지 적으세요. 첫 항목만 비웁니다 (only the first leaves it out)."
    days = [one.since for one in items if one.since is not None]
    if days != sorted(set(days)):
        yield f".{field}: from 날짜 순서로, 한 날짜에 한 번만 적으세요 (in the order of their days, each once)."


def _programme(view: View, programme: Programme) -> Iterator[str]:
    yield from _party_kind(view, "ministry", programme.ministry, "ministry")
    yield from _party_kind(view, "agency", programme.agency, "agency")
    if programme.operator is not None:
        yield from _party_kind(view, "operator", programme.operator, "operator")
    elif programme.platform_fee.rate_bp or programme.platform_fee.monthly_krw or programme.incentive.monthly_krw:
        yield ".operator: 수수료나 인센티브가 있으면 운영기관이 필요합니다 (a fee or a pool needs an operator)."
    yield from _twice("source", [one.code for one in programme.source])
    if programme.source and sum(one.share_bp for one in programme.source) != BASIS_POINTS:
        shared = sum(one.share_bp for one in programme.source)
        yield f".source: share_bp의 합이 {shared}입니다. 10000이어야 합니다 (shares sum to 10000 basis points)."
    if (programme.incentive.monthly_krw > 0) != (programme.incentive.source is not None):
        yield ".incentive: monthly_krw와 source를 함께 적으세요 (monthly_krw goes with source)."
    if programme.incentive.monthly_krw and programme.incentive.share_bp:
        yield ".incentive: share_bp와 monthly_krw 가운데 하나만 적으세요 (either share_bp or monthly_krw)."
    if programme.settlement_closes_on.year < programme.fiscal_year:
        yield ".settlement_closes_on: 회계연도보다 앞섭니다 (before the fiscal year)."
    yield from _twice("tier", [one.code for one in programme.tier])
    yield from _twice("category", [one.code for one in programme.category])
    yield from _twice("weight", [f"{one.modality}/{one.unit}" for one in programme.weight])
    for number, one in enumerate(programme.weight, start=1):
        yield from _decimal(f"weight[{number}].weight", one.weight)
    for number, tier in enumerate(programme.tier, start=1):
        if tier.grant_cap_krw is None and tier.price_cap_krw is None:
            yield f".tier[{number}]: grant_cap_krw나 price_cap_krw가 필요합니다 (a cap is needed)."
    for number, one in enumerate(programme.transfer, start=1):
        if one.krw == 0:
            yield f".transfer[{number}].krw: 0원입니다 (zero)."
    yield from _carry_over(view, programme)
    yield from _tax_reasons(programme)


def _tax_reasons(programme: Programme) -> Iterator[str]:
    taxes = {one.code: one.tax for one in programme.category}
    yield from _twice("tax_reason", [one.category for one in programme.tax_reason])
    for number, one in enumerate(programme.tax_reason, start=1):
        if taxes.get(one.category, "taxable") == "taxable":
            yield f".tax_reason[{number}]: '{one.category}': 면세나 영세 비목이 아닙니다 (not exempt or zero-rated)."


def _carry_over(view: View, programme: Programme) -> Iterator[str]:
    yield from _twice("carry_over", [one.project for one in programme.carry_over])
    for number, one in enumerate(programme.carry_over, start=1):
        if view.programme_of(one.project) != programme.code:
            yield f".carry_over[{number}].project: '{one.project}': 이 사업의 과제가 아닙니다 (no project of it)."


def _project(view: View, project: Project) -> Iterator[str]:
    yield from _party_kind(view, "company", project.company, "company")
    programme = view.get("programme", project.programme)
    if programme is None:
        yield f".programme: '{project.programme}': 등록되지 않은 사업입니다 (no such programme)."
    elif project.tier not in [tier.code for tier in programme.tier]:
        known = ", ".join(tier.code for tier in programme.tier)
        yield f".tier: '{project.tier}': 사업에 없는 구간입니다 (no such tier). 쓸 수 있는 구간: {known}"
    yield from _twice("modalities", list(project.modalities))


def _agreement(view: View, agreement: Agreement) -> Iterator[str]:
    if agreement.ends < agreement.starts:
        yield f".ends: 시작일 {agreement.starts}보다 앞섭니다 (before it starts)."
    if (agreement.self_pay_mode == "deposit") != (agreement.deposit_krw > 0):
        yield ".deposit_krw: self_pay_mode가 deposit일 때만, 0보다 크게 적으세요 (goes with the deposit mode)."
    project = view.get("project", agreement.project)
    if project is None:
        yield f".project: '{agreement.project}': 등록되지 않은 과제입니다 (no such project)."
    elif project.closes is not None and project.closes < str(Month.of(agreement.starts)):
        yield f".starts: 과제의 종료월 {project.closes} 뒤입니다 (after the project closes)."
    if not agreement.line:
        yield ".line: 협약에는 비목 줄이 하나 이상 필요합니다 (an agreement has a line or more)."
    for number, line in enumerate(agreement.line, start=1):
        for problem in _line(view, project, line):
            yield f".line[{number}]{problem}"
    programme = view.get("programme", project.programme) if project else None
    if programme is not None:
        yield from _meters(programme, agreement)
        if programme.funding == "company" and agreement.self_pay_mode == "deposit":
            yield ".self_pay_mode: 기업이 직접 지급하는 사업에는 선납금이 없습니다 (no deposit where the company pays)."
    yield from life_problems(agreement)
    for number, one in enumerate(agreement.amendment, start=1):
        for position, line in enumerate(one.line, start=1):
            for problem in _line(view, project, line):
                yield f".amendment[{number}].line[{position}]{problem}"


def _line(view: View, project: Project | None, line: Line) -> Iterator[str]:
    programme = view.get("programme", project.programme) if project else None
    category = _category(programme, line) if programme else None
    kinds = ["hospital"]
    if category is not None and category.meter:
        kinds.append("operator")
    if programme is not None and programme.funding == "company":
        kinds.append("company")  # whom a company pays itself may be another company: a consultant
    yield from _party_kind(view, "supplier", line.supplier, *kinds)
    if programme is None:
        return
    if category is None:
        yield f".category: '{line.category}': 사업에 없는 비목입니다 (no such category)."
    supplier = view.get("party", line.supplier)
    if supplier is not None and supplier.kind == "operator" and line.supplier != programme.operator:
        yield f".supplier: '{line.supplier}': 이 사업의 운영기관이 아닙니다 (not the programme's operator)."
    company = view.get("party", project.company)
    size = company.size if company else None
    if line.self_pay_bp is None and size is not None and getattr(programme.self_pay_bp, size) is None:
        yield f".self_pay_bp: 사업에 {size} 자부담률이 없으니 여기에 적으세요 (no rate for this size)."


def _category(programme: Programme, line: Line) -> Category | None:
    return next((one for one in programme.category if one.code == line.category), None)


def _meters(programme: Programme, agreement: Agreement) -> Iterator[str]:
    """Usage of a meter is supply of one line at a time; another may follow when it has ended."""
    paths = {line.code: path for path, line in placed_lines(agreement)}
    ended = {code: one.effective for one in agreement.amendment for code in one.end_lines}
    taken: dict[str, str] = {}
    for line, starts in lines_of(agreement):
        category = _category(programme, line)
        if category is None or category.meter is None:
            continue
        other = taken.get(category.meter)
        taken[category.meter] = line.code
        if other is not None and ended.get(other, date.max) > starts:
            yield (
                f".{paths[line.code]}.category: {category.meter} 사용량의 줄이 이미 있습니다: {other} "
                "(one line of a meter at a time)."
            )


def _lines_twice(view: View, places: Mapping[Key, str]) -> Iterator[str]:
    """A line's code is used once in a programme."""
    owner: dict[tuple[str | None, str], str] = {}
    agreements = sorted(view.of("agreement"), key=lambda one: ("agreement", one.code) in places)
    for agreement in agreements:
        programme = view.programme_of(agreement.project)
        place = places.get(("agreement", agreement.code))
        own: set[str] = set()
        for path, line in placed_lines(agreement):
            other = owner.setdefault((programme, line.code), agreement.code)
            if place and (other != agreement.code or line.code in own):
                yield f"{place}.{path}.code: '{line.code}'은(는) 협약 {other}에 있습니다 (line code twice)."
            own.add(line.code)


def _permit(view: View, permit: Permit) -> Iterator[str]:
    if view.get("project", permit.project) is None:
        yield f".project: '{permit.project}': 등록되지 않은 과제입니다 (no such project)."
    if permit.hospital is not None:
        yield from _party_kind(view, "hospital", permit.hospital, "hospital")
    if permit.expires_on is not None and permit.expires_on < permit.approved_on:
        yield f".expires_on: 승인일 {permit.approved_on}보다 앞섭니다 (before it was approved)."
    lines = {line.code: line for one in view.signed() if one.project == permit.project for line, _ in lines_of(one)}
    if permit.fee_krw and permit.line is None:
        yield ".line: 심의료가 있으면 협약의 줄을 적으세요 (a fee needs a line)."
    if permit.line is not None and permit.line not in lines:
        yield f".line: '{permit.line}': 과제의 협약에 없는 줄입니다 (no such line of the project)."
    elif permit.line is not None and _is_metered(view, permit.project, lines[permit.line]):
        yield f".line: '{permit.line}'은(는) 사용량의 줄입니다 (a line of metered usage)."
    elif permit.line is not None and permit.hospital not in (None, lines[permit.line].supplier):
        yield f".line: '{permit.line}'의 공급기관은 {lines[permit.line].supplier}입니다 (the line of another hospital)."


def _is_metered(view: View, project: str, line: Line) -> bool:
    programme = view.get("programme", view.programme_of(project))
    category = _category(programme, line) if programme else None
    return category is not None and category.meter is not None


def _result(view: View, result: Result) -> Iterator[str]:
    if view.get("project", result.project) is None:
        yield f".project: '{result.project}': 등록되지 않은 과제입니다 (no such project)."
    if result.evidence is not None and not (result.evidence.reference or result.evidence.sha256):
        yield ".evidence: reference나 sha256을 적으세요 (a reference or a hash)."
    if not result.datasets:
        yield ".datasets: 성과에 쓰인 데이터를 하나 이상 적으세요 (a result has a data set or more)."
    lines = {line.code for one in view.of("agreement") if one.project == result.project for line, _ in lines_of(one)}
    for number, one in enumerate(result.datasets, start=1):
        if one.line not in lines:
            yield f".datasets[{number}].line: '{one.line}': 과제의 협약에 없는 줄입니다 (no such line of the project)."
    yield from _twice("datasets", [one.line for one in result.datasets])


SOLD_BY = {
    "gpu": ("operator", "hospital"), "cpu": ("operator",), "storage": ("operator", "hospital"),
    "preparation": ("hospital", "company"),
}  # fmt: skip
DIMENSIONS = {
    "gpu": ({"model"}, {"model"}),
    "cpu": (set(), set()),
    "storage": (set(), {"storage_class"}),
    "preparation": ({"work", "unit"}, {"work", "unit", "grade", "modality"}),
}


def _price_book(view: View, book: PriceBook) -> Iterator[str]:
    yield from _party_kind(view, "supplier", book.supplier, "hospital", "operator", "company")
    party = view.get("party", book.supplier)
    seen: list[tuple] = []
    for number, rate in enumerate(book.rate, start=1):
        place = f".rate[{number}]"
        given = {
            name for name in ("model", "storage_class", "work", "unit", "grade", "modality") if getattr(rate, name)
        }
        needed, allowed = DIMENSIONS[rate.meter]
        for name in sorted((needed - given) | (given - allowed)):
            key = "class" if name == "storage_class" else name
            what = "빠졌습니다 (missing)" if name in needed else "쓰지 않는 항목입니다 (not used)"
            yield f"{place}.{key}: {rate.meter} 단가에 {what}."
        if party is not None and party.kind not in SOLD_BY[rate.meter]:
            yield f"{place}.meter: {party.kind}의 단가표에 쓸 수 없습니다 ({rate.meter} is not sold by a {party.kind})."
        if rate.project is not None and view.get("project", rate.project) is None:
            yield f"{place}.project: '{rate.project}': 등록되지 않은 과제입니다 (no such project)."
        if (rate.unit_price_krw is None) == (not rate.tiers):
            yield f"{place}.unit_price_krw: unit_price_krw와 tiers 가운데 하나만 적으세요 (either a price or tiers)."
        key = (
            rate.meter,
            rate.model,
            rate.storage_class,
            rate.work,
            rate.unit,
            rate.grade,
            rate.modality,
            rate.project,
        )
        if key in seen:
            yield f"{place}: 같은 조건의 단가가 두 번 있습니다 (the same dimensions twice)."
        seen.append(key)
        for problem in _pass_through(view, rate, party):
            yield f"{place}{problem}"
        for problem in _tiers([tier.up_to for tier in rate.tiers]):
            yield f"{place}.tiers{problem}"


def _pass_through(view: View, rate: Rate, party: Party | None) -> Iterator[str]:
    """What the operator owes an infrastructure firm of its usage."""
    if (rate.payee is None) != (rate.cost_price_krw is None):
        yield ".payee: cost_price_krw와 함께 적으세요 (payee goes with cost_price_krw)."
    elif rate.payee is not None:
        yield from _party_kind(view, "payee", rate.payee, "infra")
        if party is not None and party.kind != "operator":
            yield ".payee: 운영기관의 단가에만 적습니다 (only in the operator's rates)."


def _tiers(limits: list[int | str | None]) -> Iterator[str]:
    last = Decimal(0)
    for number, up_to in enumerate(limits, start=1):
        if (up_to is None) != (number == len(limits)):
            yield f"[{number}].up_to: 마지막 구간에만 비웁니다 (left out in the last tier only)."
        elif up_to is not None:
            problem = next(_decimal(f"[{number}].up_to", str(up_to)), None)
            if problem:
                yield problem.removeprefix(".")
            elif Decimal(up_to) <= last:
                yield f"[{number}].up_to: 앞 구간보다 커야 합니다 (must grow)."
            else:
                last = Decimal(up_to)

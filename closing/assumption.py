"""An assumption about a programme's terms: other self-pay rate, fee, price or limit, read strictly from a file."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from msgspec import field

from billing.rate_card import RateCard
from closing.inputs import MonthInputs
from core.errors import BadInput
from registry.reading import read_table
from registry.reference import BasisPoints, Code, Dimension, Krw, Table
from registry.values import LineTerms, ProgrammeTerms


class AssumedFee(Table, kw_only=True):
    """Another platform fee: basis points of charged supply, won a month; what is left out stays as it is."""

    rate_bp: BasisPoints | None = None
    monthly_krw: Krw | None = None


class AssumedLine(Table, kw_only=True):
    """Other terms of an agreement line."""

    code: Code
    self_pay_bp: BasisPoints | None = None
    grant_limit_krw: Krw | None = None


class AssumedPrice(Table, kw_only=True):
    """Another unit price, in won, of every rate that has the given dimensions."""

    meter: Literal["gpu", "cpu", "storage", "preparation"]
    supplier: Code | None = None
    project: Code | None = None
    model: Dimension | None = None
    storage_class: Dimension | None = field(name="class", default=None)
    work: Dimension | None = None
    unit: Dimension | None = None
    grade: Dimension | None = None
    modality: Dimension | None = None
    unit_price_krw: Krw

    def matches(self, card: RateCard) -> bool:
        """Whether a rate has every dimension that is given."""
        given = (name for name in self.__struct_fields__ if name != "unit_price_krw")
        return all(getattr(self, name) in (None, getattr(card, name)) for name in given)


class Assumption(Table, kw_only=True):
    """What is assumed; what is left out stays as it is. `self_pay_bp`: of every agreement line."""

    platform_fee: AssumedFee = AssumedFee()
    self_pay_bp: BasisPoints | None = None
    line: tuple[AssumedLine, ...] = ()
    price: tuple[AssumedPrice, ...] = ()


def read_assumption(path: Path) -> Assumption:
    """Reads an assumption, strictly. Raises BadInput with a line for each problem, each with its path in the file."""
    problems: list[str] = []
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"), parse_float=Decimal)
    except OSError as error:
        raise BadInput(f"{path.name}: 파일을 읽을 수 없습니다 (cannot be read): {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path.name}: UTF-8로 적은 TOML이 아닙니다 (not valid TOML): {error}") from None
    found = read_table(Assumption, data, path.name, problems)
    if found is not None and found == Assumption():
        problems.append(
            f"{path.name}: 가정이 없습니다. platform_fee, self_pay_bp, line, price 를 적으세요 (no assumption)."
        )
    if problems:
        raise BadInput(*problems)
    return found


def under(inputs: MonthInputs, assumption: Assumption, file: str) -> MonthInputs:
    """A month's inputs as if the assumed terms had always been in force.

    Raises BadInput where the assumption names a line or price that is not there.
    """
    known = {line.code for project in inputs.terms.projects.values() for line in project.lines}
    problems = [
        f"{file}: line[{number}].code: '{one.code}': 사업에 없는 줄입니다 (no such line in the programme)."
        for number, one in enumerate(assumption.line, start=1)
        if one.code not in known
    ]
    used = [False] * len(assumption.price)

    def price(card: RateCard) -> RateCard:
        for number, one in enumerate(assumption.price):
            if one.matches(card):
                used[number] = True
                card = replace(card, unit_price_krw=one.unit_price_krw, tiers=())
        return card

    book = inputs.book.priced(price)
    problems += [
        f"{file}: price[{number}]: 이 조건의 단가가 없습니다 (no rate has these dimensions)."
        for number, found in enumerate(used, start=1)
        if not found
    ]
    if problems:
        raise BadInput(*problems)
    return replace(inputs, terms=_assumed_terms(inputs.terms, assumption), book=book)


def _assumed_terms(terms: ProgrammeTerms, assumption: Assumption) -> ProgrammeTerms:
    lines = {one.code: one for one in assumption.line}

    def line(one: LineTerms) -> LineTerms:
        other = lines.get(one.code, AssumedLine(code=one.code))
        rate = next((bp for bp in (other.self_pay_bp, assumption.self_pay_bp) if bp is not None), one.self_pay_bp)
        limit = other.grant_limit_krw
        return replace(one, self_pay_bp=rate, limits=one.limits if limit is None else ((one.limits[0][0], limit),))

    projects = {
        code: replace(
            project,
            agreements=tuple(replace(one, lines=tuple(map(line, one.lines))) for one in project.agreements),
        )
        for code, project in terms.projects.items()
    }
    fee = assumption.platform_fee
    return replace(
        terms,
        projects=projects,
        fee_rate_bp=terms.fee_rate_bp if fee.rate_bp is None else fee.rate_bp,
        fee_monthly_krw=terms.fee_monthly_krw if fee.monthly_krw is None else fee.monthly_krw,
    )

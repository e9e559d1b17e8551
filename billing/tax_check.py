"""What a tax document needs before it goes to the tax office (domain.md §8), and by when. Pure but for the holidays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from billing.tax_document import KINDS, TaxForm, TaxParty
from core.month import Month, kst_day
from registry.brn import is_valid_brn
from registry.due_dates import working_day

FILING_DAY = 10
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
FIELDS = {
    "name": "상호",
    "representative": "대표자",
    "address": "주소",
    "business_type": "업태",
    "business_item": "종목",
    "email": "전자우편",
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is missing or wrong: of which document, which party (empty: of the document itself), in which field."""

    document: str
    party: str
    field: str
    message: str

    @property
    def line(self) -> str:
        """As a person reads it."""
        return " ".join(one for one in (self.document, self.party, f"{self.field}:", self.message) if one)


def due_on(month: Month) -> date:
    """The last local day for issuing a month's documents: the 10th of the next month, or the next working day."""
    return working_day((month + 1).first.replace(day=FILING_DAY))


def is_late(form: TaxForm, now: datetime) -> bool:
    """Whether the tax office should have issued it by now and we know of no number."""
    return form.is_filed and not form.approval_number and kst_day(now) > due_on(form.month)


def problems(form: TaxForm) -> list[Problem]:
    """Everything that keeps a document from being exported, in the order of the form's columns."""
    return [
        Problem(document=form.number, party=party, field=field, message=message)
        for party, field, message in (
            *_party_problems(form.supplier),
            *_party_problems(form.recipient),
            *_between(form),
            *(("", field, message) for field, message in _own(form)),
        )
    ]


def _party_problems(party: TaxParty) -> Iterator[tuple[str, str, str]]:
    if not party.brn:
        yield party.code, "brn", "사업자등록번호가 없습니다. 기준정보에 brn 을 등록하세요 (no registration number)."
    elif not is_valid_brn(party.brn):
        yield party.code, "brn", f"'{party.brn}': 검증 숫자가 맞지 않습니다 (the check digit does not hold)."
    for field, name in FIELDS.items():
        if not getattr(party, field):
            yield party.code, field, f"{name}이(가) 없습니다. 기준정보에 {field} 을(를) 등록하세요 (missing)."
    if party.email and not EMAIL.fullmatch(party.email):
        yield party.code, "email", f"'{party.email}': 전자우편 주소가 아닙니다 (not an e-mail address)."


def _between(form: TaxForm) -> Iterator[tuple[str, str, str]]:
    if form.supplier.brn and form.supplier.brn == form.recipient.brn:
        problem = "공급자와 공급받는 자의 사업자등록번호가 같습니다. 당사자를 확인하세요 (the same number)."
        yield form.recipient.code, "brn", problem


def _own(form: TaxForm) -> Iterator[tuple[str, str]]:
    if form.kind != KINDS[form.tax]:
        yield "tax", "면세 공급은 세금계산서가 아니라 계산서로 발행합니다 (exempt supply needs a 계산서 of its own)."
    if form.tax != "taxable" and (form.vat_krw or any(one.vat_krw for one in form.items)):
        yield "vat_krw", "면세·영세율 공급에 세액이 있습니다 (VAT on exempt or zero-rated supply)."
    if form.tax != "taxable" and not form.tax_reason:
        yield (
            "tax_reason",
            "과세가 아닌 근거가 없습니다. 사업의 tax_reason 에 비목별로 등록하세요 (no provision is named).",
        )
    sums = sum(one.supply_krw for one in form.items), sum(one.vat_krw for one in form.items)
    if sums != (form.supply_krw, form.vat_krw):
        yield "items", f"품목의 합 {sums[0]:,} · {sums[1]:,}원이 문서의 금액과 다릅니다 (the items do not sum up)."
    if form.role != "ordinary" and (form.original is None or form.reason is None):
        yield "original", "수정한 문서에 당초 문서나 사유코드가 없습니다 (a modified document names no original)."

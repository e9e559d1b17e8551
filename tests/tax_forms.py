"""Tax documents for the tests, without a database."""

from datetime import date

from billing.tax_document import TaxForm, TaxItem, TaxParty
from core.month import Month

HOSPITAL = TaxParty(
    code="H01", brn="107-88-54334", name="공급병원 산학협력단", representative="대표자", address="서울특별시 종로구 1",
    business_type="보건업", business_item="데이터", email="tax@h01.example.kr",
)  # fmt: skip
COMPANY = TaxParty(
    code="C1", brn="104-85-16761", name="수요기업 C1", representative="대표자", address="서울특별시 중구 2",
    business_type="서비스", business_item="소프트웨어", email="tax@c1.example.kr",
)  # fmt: skip


def item(krw: int, vat_krw: int, **more) -> TaxItem:
    known = {"day": date(2025, 11, 14), "name": "데이터 가공", "spec": "L11/w1", "quantity": None,
             "unit_price_krw": None, "note": ""}  # fmt: skip
    return TaxItem(**{**known, **more}, supply_krw=krw, vat_krw=vat_krw)


def form(*items: TaxItem, **more) -> TaxForm:
    items = items or (item(28_949_025, 2_894_902),)
    known = {
        "id": 1, "number": "TAX-H01-2025-000001", "kind": "tax_invoice", "tax": "taxable", "tax_reason": "",
        "role": "ordinary", "month": Month(2025, 11), "written_on": date(2025, 11, 30), "project": "P1",
        "supplier": HOSPITAL, "recipient": COMPANY, "supply_krw": sum(one.supply_krw for one in items),
        "vat_krw": sum(one.vat_krw for one in items), "items": tuple(items), "reason": None, "original": None,
        "file": None, "approval_number": None,
    }  # fmt: skip
    return TaxForm(**{**known, **more})

"""Which role may open which page, and what stands in its menu. A page that is not named here answers nobody."""

from dataclasses import dataclass

STAFF = ("finance", "admin")
SEES_INVOICES = ("company", "operator", "auditor", *STAFF)

MAY: dict[str, str | tuple[str, ...]] = {
    "account.sign_in": "everybody",
    "account.language": "everybody",
    "account.home": SEES_INVOICES,
    "account.sign_out": ("hospital", *SEES_INVOICES),
    "invoices.listing": SEES_INVOICES,
    "invoices.show": SEES_INVOICES,
    "invoices.workbook": SEES_INVOICES,
}

ROLES = {
    "finance": ("정산 담당", "Settlement"), "hospital": ("공급기관", "Hospital"), "company": ("수요기관", "Company"),
    "operator": ("운영기관", "Operator"), "auditor": ("감사", "Auditor"), "admin": ("관리자", "Administrator"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A link of the menu: its page's endpoint and query, and its two names."""

    endpoint: str
    korean: str
    english: str
    state: str | None = None


INVOICES = Entry(endpoint="invoices.listing", korean="청구서", english="Invoices")
MENU = dict.fromkeys(SEES_INVOICES, (INVOICES,)) | {"hospital": ()}

"""Which role may open which page, and what stands in its menu. A page that is not named here answers nobody."""

from dataclasses import dataclass

STAFF = ("finance", "admin")
SEES_INVOICES = ("company", "operator", "auditor", *STAFF)
SEES_CLAIMS = ("hospital", "auditor", *STAFF)
EVERY_USER = ("hospital", *SEES_INVOICES)

MAY: dict[str, str | tuple[str, ...]] = {
    "account.sign_in": "everybody",
    "account.language": "everybody",
    "account.home": EVERY_USER,
    "account.sign_out": EVERY_USER,
    "invoices.listing": SEES_INVOICES,
    "invoices.show": SEES_INVOICES,
    "invoices.workbook": SEES_INVOICES,
    "claims.listing": SEES_CLAIMS,
    "claims.show": SEES_CLAIMS,
    "claims.evidence_file": SEES_CLAIMS,
    "claims.submit": ("hospital",),
    "claims.withdraw": ("hospital",),
    "claims.dispute": ("hospital",),
    "claims.add_evidence": ("hospital",),
    "claims.decide": STAFF,
    "claims.resolve": STAFF,
    "claim_making.new": ("hospital",),
    "claim_making.draft": ("hospital",),
    "claim_making.template": ("hospital",),
    "claim_making.upload": ("hospital",),
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
CLAIMS = Entry(endpoint="claims.listing", korean="청구 현황", english="Claims")
NEW_CLAIM = Entry(endpoint="claim_making.new", korean="청구 작성", english="New claim")
TO_DECIDE = Entry(endpoint="claims.listing", korean="청구 심사", english="Claims to decide", state="submitted")

MENU = {
    "company": (INVOICES,),
    "operator": (INVOICES,),
    "hospital": (CLAIMS, NEW_CLAIM),
    "finance": (TO_DECIDE, CLAIMS, INVOICES),
    "admin": (TO_DECIDE, CLAIMS, INVOICES),
    "auditor": (CLAIMS, INVOICES),
}

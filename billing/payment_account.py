"""Which account a payment settles, in whose books, and the entry's two sides (domain.md §6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from billing.payment_file import PaymentRow
from registry.terms import ProjectTerms, programme_codes, project_terms

NO_ACCOUNT = "이 경로로 정산하는 계정이 아닙니다 (no account that this channel settles)"
NO_PROJECT = "등록된 과제의 계정이 아닙니다 (not an account of a registered project)"
NO_SUPPLIER = "그 과제의 공급기관이 아닙니다 (the hospital is no supplier of the project)"
NO_GRANT = "지원금을 기업에 지급하는 과제가 아닙니다 (the project's grant is not paid to the company)"
NO_DEPOSIT = "선납 협약이 없는 과제입니다 (no deposit is agreed for the project)"
OTHER_PROGRAMME = "다른 사업의 계정입니다 (an account of another programme)"
NOT_IN_BOOKS = "장부에 없는 계정입니다 (the account is in no books)"
OPENED = ("expense:payment_fee", "suspense:bank")  # a payment opens them in the books of the programme that it names
AMBIGUOUS = "여러 사업에 있는 계정입니다. --programme 으로 정하세요 (several programmes have the account)"


@dataclass(frozen=True, kw_only=True)
class Match:
    """Where a payment is booked: programme, memo, signed won by account (debit +)."""

    programme: str
    memo: str
    postings: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The two sides of a payment in its normal direction, and what the books say of it, forth and back."""

    debit: str
    credit: str
    memo: str
    memo_back: str


def rule_of(channel: str, account: str) -> Rule | None:
    """How a channel settles an account; None when it does not."""
    if channel == "agency":
        return _agency_rule(account)
    cash = {"bank": "cash:bank", "stripe": "cash:stripe"}.get(channel)
    match account.split(":"):
        case ["receivable", "company", project] if cash:
            return Rule(
                debit=cash, credit=account, memo=f"company pays {project}", memo_back=f"refund company {project}"
            )
        case ["deposit", project] if cash:
            return Rule(debit=cash, credit=account, memo=f"deposit {project}", memo_back=f"refund deposit {project}")
    if channel == "stripe" and account == "expense:payment_fee":
        return Rule(debit=account, credit=cash, memo="stripe fee", memo_back="stripe fee back")
    return _bank_rule(account) if channel == "bank" else None


def _agency_rule(account: str) -> Rule | None:
    """What the agency pays past our account."""
    match account.split(":"):
        case ["payable", "hospital", hospital, project]:
            return Rule(
                debit=account, credit="receivable:agency", memo=f"agency pays {hospital} {project}",
                memo_back=f"agency recovers from {hospital} {project}",
            )  # fmt: skip
        case ["advance", "hospital", hospital, project]:
            return Rule(
                debit=account, credit="agency:advance", memo=f"agency advances {hospital} {project}",
                memo_back=f"agency takes back the advance of {hospital} {project}",
            )  # fmt: skip
        case ["payable", "company", project]:
            return Rule(
                debit=account, credit="receivable:agency", memo=f"agency pays the company of {project}",
                memo_back=f"agency recovers from the company of {project}",
            )  # fmt: skip
        case ["payable", "operator"]:
            return Rule(
                debit=account, credit="receivable:agency", memo="agency pays operator",
                memo_back="agency recovers from operator",
            )  # fmt: skip
    return None


def _bank_rule(account: str) -> Rule | None:
    """What only our bank account pays, and the payout that it takes in."""
    cash = "cash:bank"
    match account.split(":"):
        case ["payable", "hospital", hospital, project]:
            return Rule(
                debit=account, credit=cash, memo=f"company part to {hospital} {project}",
                memo_back=f"company part back from {hospital} {project}",
            )  # fmt: skip
        case ["payable", "infra", firm]:
            memo = f"infrastructure paid {firm}"
            return Rule(debit=account, credit=cash, memo=memo, memo_back=f"infrastructure paid back {firm}")
        case ["payable", "operator"]:
            return Rule(debit=account, credit=cash, memo="operator usage paid", memo_back="operator usage paid back")
        case ["payable", "incentive", hospital]:
            memo = f"incentive paid {hospital}"
            return Rule(debit=account, credit=cash, memo=memo, memo_back=f"incentive paid back {hospital}")
        case ["suspense", "bank"]:
            return Rule(
                debit=cash, credit=account, memo="received, not known from whom", memo_back="suspense paid back"
            )
        case ["cash", "stripe"]:
            return Rule(debit=cash, credit=account, memo="stripe payout", memo_back="stripe takes back")
    return None


def _without_project(account: str) -> bool:
    """Whether an account of the programme as a whole is meant."""
    return account in OPENED or account.startswith(
        ("cash:", "payable:operator", "payable:incentive:", "payable:infra:")
    )


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The projects, and the balances of accounts without a project by (account, programme), moved by each match."""

    projects: Mapping[str, ProjectTerms]
    balances: dict[str, dict[str, int]]
    programme: str | None

    @classmethod
    def read(cls, connection: Connection, accounts: Sequence[str], programme: str | None) -> "Accounts":
        """What is needed to match payments to some accounts."""
        balances: dict[str, dict[str, int]] = {}
        for row in connection.execute(
            text("SELECT programme, code, balance_krw FROM account WHERE code = ANY(:codes) ORDER BY programme"),
            {"codes": sorted(set(accounts))},
        ):
            balances.setdefault(row.code, {})[row.programme] = row.balance_krw
        projects = {one.code: one for one in project_terms(connection, programme_codes(connection))}
        return cls(projects=projects, balances=balances, programme=programme)

    def match_all(self, rows: Sequence[PaymentRow]) -> list[tuple[PaymentRow, Match | str]]:
        """Each row with where it is booked, or why it matches no account; by line.

        Rows that name a project come first, since they open accounts that others then find (a payout, cash:stripe).
        """
        order = sorted(rows, key=lambda row: (_without_project(row.account), row.line))
        return sorted(((row, self._match(row)) for row in order), key=lambda one: one[0].line)

    def _match(self, row: PaymentRow) -> Match | str:
        rule = rule_of(row.channel, row.account)
        if rule is None:
            return NO_ACCOUNT
        if _without_project(row.account):
            programme, refused = self._by_books(row)
        else:
            programme, refused = self._by_project(row.account.split(":"))
        if refused:
            return refused
        for account, krw in ((rule.debit, row.amount_krw), (rule.credit, -row.amount_krw)):
            held = self.balances.setdefault(account, {})
            held[programme] = held.get(programme, 0) + krw
        memo = rule.memo if row.amount_krw > 0 else rule.memo_back
        return Match(
            programme=programme, memo=memo, postings={rule.debit: row.amount_krw, rule.credit: -row.amount_krw}
        )

    def _by_project(self, parts: Sequence[str]) -> tuple[str, str]:
        project = self.projects.get(parts[-1])
        if project is None:
            return "", NO_PROJECT
        suppliers = {line.supplier for line in project.lines if line.paid_to == "hospital"}
        if parts[1] == "hospital" and parts[2] not in suppliers:
            return "", NO_SUPPLIER
        if parts[:2] == ["payable", "company"] and all(line.paid_to != "company" for line in project.lines):
            return "", NO_GRANT
        if parts[0] == "deposit" and not any(one.self_pay_mode == "deposit" for one in project.agreements):
            return "", NO_DEPOSIT
        if self.programme not in (None, project.programme):
            return "", OTHER_PROGRAMME
        return project.programme, ""

    def _by_books(self, row: PaymentRow) -> tuple[str, str]:
        """The programme whose books have the account; of several, the only one that the amount is owed in. A payout of
        Stripe may be of all whose collections it holds: it is one programme's only where it is exactly what that has.
        """
        held = {code: krw for code, krw in self.balances.get(row.account, {}).items() if self.programme in (None, code)}
        if self.programme and row.account in OPENED:
            return self.programme, ""
        if not held:
            return "", NOT_IN_BOOKS
        if len(held) == 1:
            return next(iter(held)), ""
        direction = 1 if row.account == "cash:stripe" else -1
        owed = {code: krw * direction for code, krw in held.items()}
        enough = [
            code for code, krw in owed.items()
            if krw * row.amount_krw > 0 and abs(krw) >= abs(row.amount_krw)
        ]  # fmt: skip
        exact = [code for code in enough if owed[code] == row.amount_krw]
        shared = row.account == "cash:stripe" and sum(krw * row.amount_krw > 0 for krw in owed.values()) > 1
        for found in (exact,) if shared else (enough, exact):
            if len(found) == 1:
                return found[0], ""
        return "", AMBIGUOUS

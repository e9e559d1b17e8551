"""Writes reference data: the registry's own tables, insert only save for what may change (registry/README.md)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from core.base import Base
from core.month import Month
from registry import models
from registry.agreements import consortium_rows, payee_rows, write_agreements
from registry.changes import Plan, added, content_of
from registry.checking import View
from registry.limits import grant_krw
from registry.reference import Party, Permit, Programme, Project
from registry.results import write_results

BUDGET_LISTS = ("grant_received", "interest", "transfer")


def write(connection: Connection, changes: Plan, view: View, now: datetime, open_months: Mapping[str, Month]) -> None:
    """Writes a checked plan. `open_months`: by programme, the first month whose limits an amendment may still set."""
    new = {kind: [table for (its, _), table in changes.new.items() if its == kind] for kind in view_kinds(changes)}
    _insert(connection, models.Party, map(_party_row, new.get("party", ())))
    _insert(connection, models.PartyPayee, (row for one in new.get("party", ()) for row in payee_rows(one)))
    parties = new.get("party", ())
    _insert(connection, models.PartyConsortium, (row for one in parties for row in consortium_rows(one)))
    _insert_programmes(connection, new.get("programme", ()))
    _insert(connection, models.Project, (_project_row(one, view) for one in new.get("project", ())))
    write_agreements(connection, changes, view, now, open_months)
    _insert_permits(connection, new.get("permit", ()), view, open_months)
    _change(connection, changes)
    _insert_carry_overs(connection, changes)
    write_results(connection, changes)
    _raise_grants(connection, changes, view)
    _remember(connection, changes, now)


def view_kinds(changes: Plan) -> set[str]:
    """The kinds of which a plan brings new objects."""
    return {kind for kind, _ in changes.new}


def _insert(connection: Connection, model: type[Base], rows: Iterable[dict]) -> None:
    values = list(rows)
    if values:
        connection.execute(insert(model), values)


def _descriptive(party: Party) -> dict:
    names = ("name", "representative", "address", "business_type", "business_item", "email")
    return {name: getattr(party, name) for name in names}


def _party_row(party: Party) -> dict:
    quality = None if party.quality is None else Decimal(party.quality)
    own = {"code": party.code, "kind": party.kind, "brn": party.brn, "size": party.size, "quality": quality}
    return own | _descriptive(party)


def _insert_programmes(connection: Connection, programmes: Iterable[Programme]) -> None:
    for one in programmes:
        _insert(connection, models.Programme, [_programme_row(one)])
        for model, items in (
            (models.Tier, one.tier), (models.Category, one.category), (models.FundingSource, one.source),
        ):  # fmt: skip
            _insert(
                connection,
                model,
                (
                    {"programme": one.code} | {name: getattr(item, name) for name in item.__struct_fields__}
                    for item in items
                ),
            )
        _insert(
            connection,
            models.Weight,
            (
                {"programme": one.code, "modality": item.modality, "unit": item.unit, "weight": Decimal(item.weight)}
                for item in one.weight
            ),
        )
        _insert_budget_records(connection, one.code, {name: getattr(one, name) for name in BUDGET_LISTS})
        _set_tax_reasons(connection, one)


def _programme_row(one: Programme) -> dict:
    same = ("code", "name", "ministry", "type", "agency", "operator", "fiscal_year", "appropriation_krw",
            "carry_in_krw", "funding", "settlement_closes_on", "drop_under_10_krw")  # fmt: skip
    return {name: getattr(one, name) for name in same} | {
        "self_pay_bp": content_of(one.self_pay_bp),
        "fee_rate_bp": one.platform_fee.rate_bp,
        "fee_monthly_krw": one.platform_fee.monthly_krw,
        "incentive_share_bp": one.incentive.share_bp,
        "incentive_monthly_krw": one.incentive.monthly_krw,
        **{name: getattr(one.due, name) for name in one.due.__struct_fields__},
    }


def _insert_budget_records(connection: Connection, programme: str, lists: Mapping[str, Iterable]) -> None:
    _insert(
        connection,
        models.BudgetRecord,
        (
            {"programme": programme, "kind": kind, "dated": one.on, "amount_krw": one.krw,
             "reason": getattr(one, "reason", "")}
            for kind, items in lists.items() for one in items
        ),
    )  # fmt: skip


def _insert_carry_overs(connection: Connection, changes: Plan) -> None:
    """What projects carry over, of new programmes and of those that grew: once their projects are there."""
    for (kind, code), programme in changes.moved.items():
        if kind == "programme":
            before = changes.changed[kind, code].old.carry_over if (kind, code) in changes.changed else ()
            rows = ({"project": one.project, "programme": code, "amount_krw": one.krw, "reason": one.reason}
                    for one in added(before, programme.carry_over))  # fmt: skip
            _insert(connection, models.CarryOver, rows)


def _project_row(project: Project, view: View) -> dict:
    same = ("code", "programme", "company", "tier", "title", "channel")
    return {name: getattr(project, name) for name in same} | {
        "modalities": list(project.modalities),
        "closes": Month.parse(project.closes).first if project.closes else None,
        "grant_krw": grant_krw(view, project),
    }


def _insert_permits(
    connection: Connection, permits: Iterable[Permit], view: View, open_months: Mapping[str, Month]
) -> None:
    names = ("code", "project", "hospital", "kind", "approved_on", "expires_on", "fee_krw", "line")
    rows = []
    for one in permits:
        programme = view.programme_of(one.project)
        counts_from = open_months[programme].first if programme in open_months else None
        more = {"programme": programme, "counts_from": counts_from}
        rows.append({name: getattr(one, name) for name in names} | more)
    if rows:
        connection.execute(
            text(
                "INSERT INTO permit (code, project, hospital, kind, approved_on, expires_on, fee_krw, line,"
                " counts_from) VALUES (:code, :project, :hospital, :kind, :approved_on, :expires_on, :fee_krw,"
                " (SELECT id FROM agreement_line WHERE programme = :programme AND code = :line), :counts_from)"
            ),
            rows,
        )


def _change(connection: Connection, changes: Plan) -> None:
    apply: dict[str, Callable] = {"party": _change_party, "programme": _change_programme, "project": _change_project}
    for (kind, _), change in changes.changed.items():
        if kind in apply:
            apply[kind](connection, change.old, change.new)


def _change_party(connection: Connection, old: Party, new: Party) -> None:
    connection.execute(
        text(
            "UPDATE party SET name = :name, brn = :brn, representative = :representative,"
            " address = :address, business_type = :business_type, business_item = :business_item, email = :email"
            " WHERE code = :code"
        ),
        _descriptive(new) | {"code": old.code, "brn": new.brn},
    )
    connection.execute(text("DELETE FROM party_payee WHERE party = :code"), {"code": old.code})
    connection.execute(text("DELETE FROM party_consortium WHERE party = :code"), {"code": old.code})
    _insert(connection, models.PartyPayee, payee_rows(new))
    _insert(connection, models.PartyConsortium, consortium_rows(new))


def _change_programme(connection: Connection, old: Programme, new: Programme) -> None:
    fresh = {name: added(getattr(old, name), getattr(new, name)) for name in BUDGET_LISTS}
    _insert_budget_records(connection, new.code, fresh)
    _set_tax_reasons(connection, new)


def _set_tax_reasons(connection: Connection, programme: Programme) -> None:
    reasons = {one.category: one.reason for one in programme.tax_reason}
    rows = [
        {"programme": programme.code, "code": one.code, "reason": reasons.get(one.code)} for one in programme.category
    ]
    connection.execute(
        text("UPDATE category SET tax_reason = :reason WHERE programme = :programme AND code = :code"), rows
    )


def _change_project(connection: Connection, old: Project, new: Project) -> None:
    closes = Month.parse(new.closes).first if new.closes else None
    connection.execute(
        text("UPDATE project SET closes = :closes WHERE code = :code"), {"closes": closes, "code": old.code}
    )


def _raise_grants(connection: Connection, changes: Plan, view: View) -> None:
    """A grant that the file leaves out follows the line limits: it rises with a new agreement or amendment."""
    projects = {table.project for (kind, _), table in changes.moved.items() if kind == "agreement"}
    projects -= {code for kind, code in changes.new if kind == "project"}
    rows = [{"code": code, "krw": grant_krw(view, view.get("project", code))} for code in sorted(projects)]
    if rows:
        connection.execute(text("UPDATE project SET grant_krw = :krw WHERE code = :code AND grant_krw < :krw"), rows)


def _remember(connection: Connection, changes: Plan, now: datetime) -> None:
    rows = [
        {"kind": kind, "code": code, "content": content_of(table), "loaded_at": now}
        for (kind, code), table in changes.moved.items()
    ]
    if rows:
        statement = upsert(models.LoadedObject).values(rows)
        values = {"content": statement.excluded.content, "loaded_at": statement.excluded.loaded_at}
        connection.execute(statement.on_conflict_do_update(index_elements=["kind", "code"], set_=values))

"""Price books (단가표, domain.md §4): versions of rates; a used version is never edited, only followed by another."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Connection, insert, text
from sqlalchemy.dialects.postgresql import Range

from billing import models
from billing.rate_card import RateCard
from core.errors import RuleRefused
from registry.reference import PriceBook, Rate

DIMENSIONS = ("model", "storage_class", "work", "unit", "grade", "modality", "project")


def dimensions_text(supplier: str, rate: Rate) -> str:
    """The canonical text of supplier, meter and dimensions, under which a rate's versions follow each other."""
    return "|".join([supplier, rate.meter, *(getattr(rate, name) or "" for name in DIMENSIONS)])


def write(connection: Connection, books: Sequence[PriceBook], places: Mapping[tuple[str, str], str]) -> None:
    """Writes new price books. A rate stays in force until the supplier's next book that sets the same dimensions.

    Raises RuleRefused when a rate of the same day and dimensions is there already.
    """
    if not books:
        return
    connection.execute(
        insert(models.PriceBook),
        [{"code": one.code, "supplier": one.supplier, "effective_from": one.effective_from} for one in books],
    )
    fresh = _by_dimensions(books, places)
    known = _known(connection, list(fresh))
    rows: list[dict] = []
    ends: list[dict] = []
    for dimensions, members in fresh.items():
        before = known.get(dimensions, [])
        days = sorted([row.since for row in before] + [book.effective_from for book, _, _ in members])
        after = dict(zip(days, [*days[1:], None], strict=True))
        ends += [{"id": row.id, "until": after[row.since]} for row in before if row.until != after[row.since]]
        for book, rate, place in members:
            if days.count(book.effective_from) > 1:
                raise RuleRefused(
                    f"{place}: {book.effective_from}의 같은 조건 단가가 이미 있습니다 "
                    "(a rate of that day and these dimensions is there already)."
                )
            rows.append(_row(book, rate, dimensions, after[book.effective_from]))
    if ends:
        connection.execute(text("UPDATE rate SET valid = daterange(lower(valid), :until) WHERE id = :id"), ends)
    if rows:
        connection.execute(insert(models.Rate), rows)


def _known(connection: Connection, dimensions: Sequence[str]) -> dict[str, list]:
    """The versions that are there, by dimensions."""
    found: dict[str, list] = {}
    for row in connection.execute(
        text(
            "SELECT id, dimensions, lower(valid) AS since, upper(valid) AS until FROM rate"
            " WHERE dimensions = ANY(:wanted) ORDER BY lower(valid)"
        ),
        {"wanted": list(dimensions)},
    ):
        found.setdefault(row.dimensions, []).append(row)
    return found


def _by_dimensions(
    books: Iterable[PriceBook], places: Mapping[tuple[str, str], str]
) -> dict[str, list[tuple[PriceBook, Rate, str]]]:
    found: dict[str, list[tuple[PriceBook, Rate, str]]] = {}
    for book in books:
        for number, rate in enumerate(book.rate, start=1):
            place = f"{places['price_book', book.code]}.rate[{number}]"
            found.setdefault(dimensions_text(book.supplier, rate), []).append((book, rate, place))
    return found


def _row(book: PriceBook, rate: Rate, dimensions: str, until: date | None) -> dict:
    tiers = [
        {"up_to": None if tier.up_to is None else str(tier.up_to), "price_krw": tier.unit_price_krw}
        for tier in rate.tiers
    ]
    return {
        "price_book": book.code,
        "supplier": book.supplier,
        "dimensions": dimensions,
        "valid": Range(book.effective_from, until),
        "meter": rate.meter,
        "unit_price_krw": rate.tiers[0].unit_price_krw if rate.tiers else rate.unit_price_krw,
        "tiers": tiers,
        "minimum_krw": rate.minimum_krw,
        "payee": rate.payee,
        "cost_price_krw": rate.cost_price_krw,
    } | {name: getattr(rate, name) for name in DIMENSIONS}


def rates(connection: Connection, suppliers: Iterable[str], loaded_until: datetime | None = None) -> list[RateCard]:
    """Every version of every rate of some suppliers, by dimensions and day.

    `loaded_until`: as the price books stood at that instant, without those that were loaded later.
    """
    rows = connection.execute(
        text(
            "SELECT supplier, meter, model, storage_class, work, unit, grade, modality, project, unit_price_krw, tiers,"
            " minimum_krw, payee, coalesce(cost_price_krw, 0) AS cost_price_krw, lower(valid) AS valid_from,"
            " lead(lower(valid)) OVER (PARTITION BY dimensions ORDER BY lower(valid)) AS valid_until FROM rate"
            " JOIN loaded_object ON kind = 'price_book' AND loaded_object.code = price_book"
            " WHERE supplier = ANY(:suppliers) AND loaded_at <= coalesce(:until, 'infinity'::timestamptz)"
            " ORDER BY dimensions, lower(valid)"
        ),
        {"suppliers": sorted(set(suppliers)), "until": loaded_until},
    )
    return [
        RateCard(
            **{
                **row._mapping,
                "tiers": tuple(
                    (None if one["up_to"] is None else Decimal(one["up_to"]), one["price_krw"]) for one in row.tiers
                ),
            }
        )
        for row in rows
    ]

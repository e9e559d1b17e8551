"""`trace` of a hospital's claim: what it claims, the charges of its works, and the events of its acceptances."""

from billing.claim_state import read_number
from metering.usage import events_by_seq
from reports.lineage_rows import Books, Found, booked, require


def claim_found(books: Books, rest: str) -> Found:
    """A claim by its number: won ex VAT that it claims; above it the acceptances, below it what the runs charged."""
    hospital, year, number = read_number(rest)
    rows = books.rows(
        "SELECT accept_seq, supply_krw FROM claim_line JOIN claim ON claim.id = claim_id WHERE hospital = :hospital"
        " AND year = :year AND number = :number AND programme = coalesce(:only, programme) ORDER BY claim_line.id",
        {"hospital": hospital, "year": year, "number": number},
    )
    require(f"claim:{rest}", rows)
    seqs = [row.accept_seq for row in rows]
    return Found(
        amount_krw=sum(row.supply_krw for row in rows),
        parents=[f"event:{one['source']}#{one['id']}" for one in events_by_seq(books.connection, sorted(seqs))],
        charges=booked(books, "kind = 'preparation' AND accept_seq = ANY(:seqs)", {"seqs": seqs}),
    )

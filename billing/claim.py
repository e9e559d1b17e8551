"""Hospital claims (청구, domain.md §8): what can be claimed of a month, and a draft of it with a number of its own."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, insert, text

from billing.claim_line import ClaimLine
from billing.claim_models import ClaimedLine
from billing.claim_state import claim_number
from billing.claim_work import AcceptedWork, accepted_work, differences
from billing.document import take_numbers
from core.errors import BadInput, RuleRefused
from core.month import Month, kst_day
from registry.users import acting


def claimable(connection: Connection, programme: str, hospital: str, month: Month) -> list[ClaimLine]:
    """Accepted work of a hospital, in all its projects of a programme, that no live claim holds yet: acceptances up to
    the month's end, late ones of earlier months too. Priced and taxed as the run does; by project, line and day.

    Raises BadInput for an unknown programme or hospital, RuleRefused for work without a rate in force, with the list.
    """
    work = accepted_work(connection, programme, hospital, month)
    _refuse_unpriced(work)
    return list(_free(connection, work).values())


def _refuse_unpriced(work: AcceptedWork) -> None:
    if work.missing:
        listed = sorted({(one.project, one.key, str(one.day)) for one in work.missing})
        raise RuleRefused(
            "단가가 없는 작업이 있습니다. 단가표를 등록한 뒤 다시 하세요 "
            "(work without a rate in force; load a price book and try again):\n"
            + "\n".join("  " + " · ".join(one) for one in listed)
        )


def _free(connection: Connection, work: AcceptedWork) -> dict[int, ClaimLine]:
    """By acceptance, what no live claim holds."""
    held = _holders(connection, work)
    free = [(seq, line) for seq, line in work.lines.items() if seq not in held]
    return dict(sorted(free, key=lambda one: (one[1].project, one[1].line, one[1].accepted_on, one[1].work)))


def _holders(connection: Connection, work: AcceptedWork) -> dict[int, str]:
    """By acceptance, the number of the live claim that holds it."""
    rows = connection.execute(
        text(
            "SELECT accept_seq, hospital, year, number FROM claim_line JOIN claim ON claim.id = claim_id"
            " WHERE live AND accept_seq = ANY(:seqs)"
        ),
        {"seqs": list(work.lines)},
    )
    return {row.accept_seq: claim_number(row.hospital, row.year, row.number) for row in rows}


def draft_claim(
    connection: Connection, programme: str, hospital: str, month: Month, lines: Sequence[ClaimLine], by: str,
    now: datetime,
) -> str:  # fmt: skip
    """Drafts a claim of these lines, each as `claimable` gives it but for its note; returns its number, `CLM-…`.

    `by`: the name of a user of the hospital. Raises RuleRefused, line by line, for what is no accepted work, differs
    from it or is claimed already, and for a claim without a line; nothing is drafted then.
    """
    acting(connection, by, "hospital", party=hospital)
    lock_claims(connection, hospital)
    work = accepted_work(connection, programme, hospital, month)
    _refuse_unpriced(work)
    chosen = _chosen(connection, work, lines)
    year = kst_day(now).year
    (number,) = take_numbers(connection, [("claim", hospital)], year)
    claim_id = _write_claim(connection, programme, hospital, month, number, by, now)
    connection.execute(
        insert(ClaimedLine),
        [{"claim_id": claim_id, "accept_seq": seq, **asdict(line)} for seq, line in chosen.items()],
    )
    return claim_number(hospital, year, number)


def draft_works(
    connection: Connection, programme: str, hospital: str, month: Month, works: Collection[str], by: str, now: datetime
) -> str:
    """Drafts a claim of what can be claimed: of the works named `LINE/WORK`, or of all when none is named.

    Raises BadInput for a work that cannot be claimed, and as `draft_claim` does.
    """
    lines = {f"{one.line}/{one.work}": one for one in claimable(connection, programme, hospital, month)}
    unknown = [
        f"'{one}': 청구할 수 있는 작업이 아닙니다. `jeongsan claims claimable` 로 찾으세요 "
        "(not among what can be claimed)."
        for one in works
        if one not in lines
    ]
    if unknown:
        raise BadInput(*unknown)
    chosen = [line for name, line in lines.items() if not works or name in works]
    return draft_claim(connection, programme, hospital, month, chosen, by, now)


def lock_claims(connection: Connection, *hospitals: str) -> None:
    """Waits until no other transaction changes a claim of the hospitals; held to the end of the transaction."""
    connection.execute(
        text(
            "SELECT pg_advisory_xact_lock(hashtext('claims:' || hospital))"
            " FROM unnest(CAST(:hospitals AS text[])) WITH ORDINALITY AS one (hospital, place) ORDER BY place"
        ),
        {"hospitals": sorted(set(hospitals))},
    )


def _chosen(connection: Connection, work: AcceptedWork, lines: Sequence[ClaimLine]) -> dict[int, ClaimLine]:
    """By acceptance, the lines that are claimed; refuses what does not tie."""
    if not lines:
        raise RuleRefused("청구할 검수 작업이 없습니다 (no accepted work to claim).")
    holders = _holders(connection, work)
    seqs = {(line.line, line.work): seq for seq, line in work.lines.items()}
    chosen: dict[int, ClaimLine] = {}
    refused = []
    for line in lines:
        seq = seqs.get((line.line, line.work))
        if seq is None:
            problem = "검수된 작업이 아닙니다 (not accepted work)"
        elif seq in holders:
            problem = f"이미 {holders[seq]} 에 청구되었습니다 (claimed already)"
        elif seq in chosen:
            problem = "이 청구에 두 번 있습니다 (twice in this claim)"
        else:
            problem = ", ".join(differences(line, work.lines[seq]))
            chosen[seq] = line
        if problem:
            refused.append(f"{line.line}/{line.work}: {problem}.")
    if refused:
        raise RuleRefused("\n".join(refused))
    return chosen


def _write_claim(
    connection: Connection, programme: str, hospital: str, month: Month, number: int, by: str, now: datetime
) -> int:
    """The claim without its lines; it keeps claimant, legal payee of the day and agency as they are registered now."""
    return connection.scalar(
        text(
            "INSERT INTO claim (programme, hospital, month, year, number, drafted_at, drafted_by, parties)"
            " SELECT :programme, :hospital, :month, :year, :number, :now, :by, jsonb_build_object("
            "  'hospital', to_jsonb(claimant), 'agency', to_jsonb(payer), 'payee',"
            "  (SELECT to_jsonb(party_payee) FROM party_payee WHERE party = :hospital AND since <= :day"
            "   ORDER BY since DESC LIMIT 1))"
            " FROM programme JOIN party AS payer ON payer.code = programme.agency"
            " JOIN party AS claimant ON claimant.code = :hospital WHERE programme.code = :programme RETURNING id"
        ),
        {
            "programme": programme, "hospital": hospital, "month": month.first, "year": kst_day(now).year,
            "number": number, "now": now, "by": by, "day": kst_day(now),
        },
    )  # fmt: skip

"""Which programmes a command is about."""

from sqlalchemy import Connection

from core.errors import BadInput
from registry.terms import programme_codes


def asked(connection: Connection, programme: str | None) -> list[str]:
    """The programme named, or all of them. Raises BadInput for one that is not there."""
    known = programme_codes(connection)
    if programme is not None and programme not in known:
        raise BadInput(
            f"사업 '{programme}'이(가) 없습니다 (no such programme). 등록된 사업: {', '.join(known) or '없음 (none)'}"
        )
    return known if programme is None else [programme]

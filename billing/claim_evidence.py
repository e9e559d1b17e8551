"""Evidence of a claim (domain.md §8): PDF, PNG and JPEG files, kept as they came with their SHA-256."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, insert, text

from billing.claim_action import begin, claim_row
from billing.claim_models import ClaimEvidence
from core.errors import BadInput, RuleRefused

LIMIT_BYTES = 10 * 1024 * 1024
NAME_LIMIT = 200
SIGNATURES = {b"%PDF-": "application/pdf", b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True, kw_only=True)
class EvidenceFile:
    """An evidence file with its content; `sha256` in hexadecimal."""

    id: int
    file_name: str
    media_type: str
    sha256: str
    content: bytes


def add_evidence(
    connection: Connection, number: str, file_name: str, content: bytes, by: str, now: datetime
) -> tuple[EvidenceFile, bool]:
    """Keeps a file with a claim that is not withdrawn; the same content a second time is there already (False).

    Raises BadInput for what is no PDF, PNG or JPEG by its content, empty or above 10 MiB, RuleRefused as
    `claim_action.begin` does.
    """
    name = _clean_name(file_name)
    media_type = media_type_of(name, content)
    claim = begin(connection, number, "add_evidence", by)
    digest = sha256(content).digest()
    known = connection.scalar(
        text("SELECT id FROM claim_evidence WHERE claim_id = :claim AND sha256 = :digest"),
        {"claim": claim.id, "digest": digest},
    )
    if known is not None:
        return read_evidence(connection, number, known), False
    evidence_id = connection.scalar(
        insert(ClaimEvidence)
        .values(
            claim_id=claim.id, file_name=name, media_type=media_type, sha256=digest, content=content, added_at=now,
            added_by=by,
        )
        .returning(ClaimEvidence.id)
    )  # fmt: skip
    return read_evidence(connection, number, evidence_id), True


def media_type_of(name: str, content: bytes) -> str:
    """What a file is by its content, whatever its name says. Raises BadInput for anything but PDF, PNG and JPEG."""
    if len(content) > LIMIT_BYTES:
        raise BadInput(f"{name}: 10 MiB를 넘습니다. 나누거나 줄여서 올리세요 (larger than 10 MiB).")
    for signature, media_type in SIGNATURES.items():
        if content.startswith(signature):
            return media_type
    problem = "빈 파일입니다 (empty)" if not content else "PDF, PNG, JPEG 파일이 아닙니다 (no PDF, PNG or JPEG)"
    raise BadInput(f"{name}: {problem}. 내용이 이 셋 가운데 하나인 파일을 올리세요.")


def _clean_name(file_name: str) -> str:
    """The name alone, without a folder or control characters, in NFC."""
    last = unicodedata.normalize("NFC", file_name).replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if unicodedata.category(one)[0] != "C").strip()[-NAME_LIMIT:] or "evidence"


def read_evidence(connection: Connection, number: str, evidence_id: int) -> EvidenceFile:
    """A file of a claim. Raises BadInput when it is not there, RuleRefused when it is not what was registered."""
    claim = claim_row(connection, number)
    row = connection.execute(
        text(
            "SELECT id, file_name, media_type, encode(sha256, 'hex') AS sha256, content FROM claim_evidence"
            " WHERE claim_id = :claim AND id = :id"
        ),
        {"claim": claim.id, "id": evidence_id},
    ).one_or_none()
    if row is None:
        raise BadInput(f"{number}: {evidence_id}: 이 청구의 증빙이 아닙니다. `jeongsan claims show` 로 찾으세요 "
                       "(no evidence of this claim).")  # fmt: skip
    found = EvidenceFile(**{**row._mapping, "content": bytes(row.content)})
    if sha256(found.content).hexdigest() != found.sha256:
        raise RuleRefused(
            f"{number}: {found.file_name}: 증빙이 등록된 것과 다릅니다. 백업에서 되살리세요 "
            "(the evidence is not what was registered: its hash differs)."
        )
    return found

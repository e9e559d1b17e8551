"""What an evidence file is goes by its content, never by its name."""

import pytest

from billing.claim_evidence import LIMIT_BYTES, media_type_of
from core.errors import BadInput


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8), "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(8), "image/jpeg"),
        (b"%PDF-" + bytes(LIMIT_BYTES - 5), "application/pdf"),
    ],
    ids=["pdf", "png", "jpeg", "as large as may be"],
)
def test_evidence__is_recognised_by_its_content(content, media_type):
    assert media_type_of("검수확인서.exe", content) == media_type


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "빈 파일"),
        (b"<html>%PDF-1.7", "PDF, PNG, JPEG 파일이 아닙니다"),
        (b"PK\x03\x04", "PDF, PNG, JPEG 파일이 아닙니다"),
        (b"GIF89a", "PDF, PNG, JPEG 파일이 아닙니다"),
        (b"\x89PNG\n", "PDF, PNG, JPEG 파일이 아닙니다"),
        (b"%PDF-" + bytes(LIMIT_BYTES), "10 MiB를 넘습니다"),
    ],
    ids=["empty", "html", "zip", "gif", "mangled png", "too large"],
)
def test_evidence__what_is_no_document_is_refused(content, said):
    with pytest.raises(BadInput, match=said):
        media_type_of("검수확인서.pdf", content)

"""The commands of claims: each parses, acts as the user named, and answers the same in JSON and in text."""

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests.claiming import add_users, part
from tests.driven import work

NOW = "2025-12-01T12:00:00+09:00"
ASKED = ("2025-11", "--programme", "V25", "--hospital", "H1")
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"


@pytest.fixture
def claims(world, loaded):
    """November's work of H1, and a delivery that nobody has accepted in full; calls `jeongsan claims …`."""
    add_users(loaded)
    world.ingest(*work("w1", "L11", 10), work("w2", "L11", 5, "2025-11-12")[0], part("a-w2", "w2", "3"),
                 now="2025-12-01T09:00:00+09:00")  # fmt: skip

    def call(*arguments, now=NOW, **expecting):
        return world.call("claims", *arguments, now=now, **expecting)

    return call


def test_commands__a_claim_from_draft_to_a_resolved_dispute(claims, tmp_path):
    assert [one["work"] for one in claims("claimable", *ASKED)["lines"]] == ["L11/w1", "L11/w2"]
    drafted = claims("draft", *ASKED, "--by", "h1-1")
    assert (drafted["number"], drafted["state"], drafted["lines"][0]["supply_krw"]) == (
        "CLM-H1-2025-000001", "draft", 123_450,
    )  # fmt: skip
    number = drafted["number"]
    assert drafted["parties"]["hospital"]["brn"] == "124-81-00998"
    assert (drafted["parties"]["agency"]["name"], drafted["parties"]["payee"]) == ("전담기관", None)
    assert claims("claimable", *ASKED)["lines"] == []
    assert claims("submit", number, "--by", "h1-1") == {"number": number, "state": "submitted"}
    assert claims("list", "--state", "submitted")["claims"][0]["decision_due_on"] == "2025-12-11"
    decided = claims("approve", number, "--refuse", "L11/w2=증빙 부족", "--by", "finance-1")
    assert decided == {"number": number, "state": "partly_approved", "refused": {"L11/w2": "증빙 부족"}}
    (tmp_path / "scan").write_bytes(PDF)
    added = claims("evidence", "add", number, tmp_path / "scan", "--by", "h1-1")
    assert (added["media_type"], added["added"]) == ("application/pdf", True)
    assert claims("evidence", "add", number, tmp_path / "scan", "--by", "h1-1")["added"] is False
    claims("dispute", number, "--reason", "증빙을 냈음", "--by", "h1-1")
    assert claims("show", number)["lines"][1]["dispute"] == "open"
    resolved = claims("resolve", number, "--corrected", "--reason", "확인", "--by", "finance-2")
    assert resolved == {"number": number, "state": "approved", "refused": {}}
    shown = claims("show", number)
    assert [(one["to_state"], one["by"]) for one in shown["transitions"]] == [
        ("submitted", "h1-1"), ("partly_approved", "finance-1"), ("approved", "finance-2"),
    ]  # fmt: skip
    assert (shown["approved_krw"], shown["lines"][1]["dispute"]) == (176_533, "corrected")
    claims("evidence", "get", number, shown["evidence"][0]["id"], "--out", tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes() == PDF


def test_commands__withdrawn_and_rejected_claims_free_their_works(claims):
    first = claims("draft", *ASKED, "--work", "L11/w1", "--by", "h1-1")["number"]
    assert claims("withdraw", first, "--by", "h1-2")["state"] == "withdrawn"
    second = claims("draft", *ASKED, "--by", "h1-1")["number"]
    claims("submit", second, "--by", "h1-1")
    rejected = claims("reject", second, "--reason", "양식 오류", "--by", "finance-1")
    assert (rejected["state"], len(rejected["refused"])) == ("rejected", 2)
    assert claims("draft", *ASKED, "--by", "h1-1")["number"] == "CLM-H1-2025-000003"


def test_overdue__lists_decisions_disputes_and_acceptances_past_their_day(claims):
    number = claims("draft", *ASKED, "--by", "h1-1")["number"]
    claims("submit", number, "--by", "h1-1")
    assert claims("overdue", "--programme", "V25", now="2025-11-26T09:00:00+09:00")["acceptances"] == []
    late = claims("overdue", "--programme", "V25", now="2025-12-12T09:00:00+09:00")
    assert [(one["number"], one["due_on"], one["days"]) for one in late["decisions"]] == [(number, "2025-12-11", 1)]
    assert [(one["work"], one["undecided"], one["due_on"]) for one in late["acceptances"]] == [
        ("L11/w2", "2", "2025-11-26")
    ]
    claims("reject", number, "--reason", "?", "--by", "finance-1", now="2025-12-12T09:00:00+09:00")
    claims("dispute", number, "--work", "w1", "--reason", "!", "--by", "h1-1", now="2025-12-12T09:00:00+09:00")
    again = claims("overdue", "--programme", "V25", now="2025-12-27T09:00:00+09:00")
    assert [(one["work"], one["due_on"]) for one in again["decisions"]] == [("L11/w1", "2025-12-22")]


REFUSED = [
    (("submit", "CLM-H1-2025-000009", "--by", "h1-1"), 2, "그런 청구가 없습니다"),
    (("submit", "2025-1", "--by", "h1-1"), 2, "청구번호는 CLM-H01-2025-000001 처럼"),
    (("submit", "CLM-H1-2025-000001", "--by", "h2-1"), 3, "H1 의 사용자가 아닙니다"),
    (("submit", "CLM-H1-2025-000001", "--by", "finance-1"), 3, "finance 역할로는 할 수 없습니다"),
    (("approve", "CLM-H1-2025-000001", "--by", "finance-1"), 3, "작성 중 상태에서는 심사할 수 없습니다"),
    (("approve", "CLM-H1-2025-000001", "--refuse", "w1", "--by", "finance-1"), 2, "L11/w1=사유 처럼"),
    (("reject", "CLM-H1-2025-000001", "--reason", " ", "--by", "finance-1"), 2, "사유를 적으세요"),
    (("draft", *ASKED, "--work", "L11/w1", "--by", "h1-1"), 2, "청구할 수 있는 작업이 아닙니다"),
    (("draft", *ASKED, "--by", "h1-1"), 3, "청구할 검수 작업이 없습니다"),
    (("claimable", "2025-11", "--programme", "V25", "--hospital", "C1"), 2, "등록된 병원이 아닙니다"),
    (("evidence", "get", "CLM-H1-2025-000001", "7", "--out", "x"), 2, "이 청구의 증빙이 아닙니다"),
    (("evidence", "add", "CLM-H1-2025-000001", "not-there.pdf", "--by", "h1-1"), 2, "읽을 수 없습니다"),
]


def test_commands__what_is_refused_says_why(claims):
    claims("draft", *ASKED, "--by", "h1-1")
    for arguments, exit_code, said in REFUSED:
        (message,) = claims(*arguments, exit_code=exit_code)["messages"]
        assert said in message


def test_commands__speak_korean_and_english(claims):
    number = claims("draft", *ASKED, "--by", "h1-1")["number"]
    claims("submit", number, "--by", "h1-1")

    def said(*arguments, lang="ko"):
        done = CliRunner().invoke(main, ["claims", *arguments, "--lang", lang, "--now", "2026-01-05T09:00:00+09:00"])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    assert "123,450" in said("show", number)
    assert "submitted" in said("list", lang="en")
    assert "심사 기한 2025-12-11" in said("overdue", "--programme", "V25")
    assert "acceptance due on" in said("overdue", "--programme", "V25", lang="en")
    assert "0 works to claim" in said("claimable", *ASKED, lang="en")

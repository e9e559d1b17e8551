"""The seal of a locked month: written the same again later, and what was rewritten behind it is found."""

import json
from hashlib import sha256

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from portal.cli import main
from tests.worked import CASE, CLOSE, LOADED, PROGRAMME, needs_case, prepare, run

pytestmark = needs_case
MONTH = "2025-11"


@pytest.fixture
def sealed(jeongsan, tmp_path):
    """The file of November's seal."""
    path = tmp_path / "seal.json"
    prepare(jeongsan)
    run(jeongsan, MONTH)
    jeongsan("seal", MONTH, "--programme", PROGRAMME, "--out", path)
    return path


@pytest.fixture
def sealed_before(jeongsan, sealed):
    """November's seal, with payments, December's events and its run after it."""
    jeongsan("payments", "import", CASE / f"payments-after-{MONTH}.csv", now=CLOSE[MONTH])
    jeongsan("ingest", CASE / "events-2025-12.jsonl", now=CLOSE["2025-12"])
    run(jeongsan, "2025-12")
    return sealed


def findings(jeongsan, path, exit_code=1):
    answer = jeongsan("verify", "--against", path, exit_code=exit_code)
    return [(one["check"], one["message"]) for one in answer["findings"] if one["level"] == "ERROR"]


def test_seal__holds_what_the_month_and_its_books_show(jeongsan, sealed, tmp_path):
    seal = json.loads(sealed.read_text())
    shown = jeongsan("month", "show", MONTH, "--programme", PROGRAMME)
    assert (seal["programme"], seal["month"]) == (PROGRAMME, MONTH)
    assert seal["charges"]["amount_krw"] == sum(one["amount_krw"] for one in shown["charges"])
    assert seal["charges"]["rows"] == len(shown["charges"])
    assert seal["intake"]["received"] == sum(map(seal["intake"].get, ("stored", "duplicate", "quarantined",
                                                                      "dead_lettered")))  # fmt: skip
    accounts = seal["journal"]["accounts"]
    assert sum(one["balance_krw"] for one in accounts.values()) == 0
    assert -accounts["budget:appropriation"]["balance_krw"] == shown["budget"]["current_krw"]
    jeongsan("statements", MONTH, "--programme", PROGRAMME, "--out", tmp_path / "out")
    written = {path.name: sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "out").iterdir()}
    assert seal["statements"] == written


def test_seal__again_after_later_months_is_the_same_bytes_and_verify_holds_against_it(
    jeongsan, sealed_before, tmp_path
):
    again = tmp_path / "again.json"
    answer = jeongsan("seal", MONTH, "--programme", PROGRAMME, "--out", again)
    assert again.read_bytes() == sealed_before.read_bytes()
    assert answer["sha256"] == sha256(sealed_before.read_bytes()).hexdigest()
    assert findings(jeongsan, sealed_before, exit_code=0) == []
    done = CliRunner().invoke(main, ["seal", MONTH, "--programme", PROGRAMME])
    assert done.stdout == sealed_before.read_text()


def test_seal__written_to_a_file_is_shown_as_a_page_to_sign(sealed):
    done = CliRunner().invoke(main, ["seal", MONTH, "--programme", PROGRAMME, "--out", str(sealed)])
    seal = json.loads(sealed.read_text())
    wanted = [seal["journal"]["head_hash"], sha256(sealed.read_bytes()).hexdigest(), *seal["statements"]]
    wanted += [f"{sums['debit_krw']:,}" for sums in seal["journal"]["accounts"].values() if sums["debit_krw"]]
    assert [one for one in [*wanted, "승인: ____"] if one not in done.stdout] == []


def test_verify_against__says_up_to_when_nothing_has_changed(jeongsan, sealed):
    done = CliRunner().invoke(main, ["verify", "--against", str(sealed), "--lang", "en"])
    assert done.stdout == f"Seal {sealed.name}: nothing up to {MONTH} has changed.\nThe books hold.\n"


def test_seal__of_a_later_month_holds_for_the_earlier_ones_too(jeongsan, sealed_before, tmp_path, owner):
    later = tmp_path / "later.json"
    seal = jeongsan("seal", "2025-12", "--programme", PROGRAMME, "--out", later)["seal"]
    files = json.loads(sealed_before.read_text())["statements"]
    listed = "".join(f"{digest}  {name}\n" for name, digest in files.items())
    assert seal["earlier_statements"] == {MONTH: {"files": len(files), "sha256": sha256(listed.encode()).hexdigest()}}
    rewrite(owner, UNPUBLISHED)
    ((check, message),) = findings(jeongsan, later)
    assert (check, "earlier_statements.2025-11.sha256" in message) == ("seal", True)


UNPUBLISHED = (
    "UPDATE published_file SET content = 'x', sha256 = encode(sha256('x'), 'hex') WHERE name ="
    " (SELECT min(name) FROM published_file WHERE month = '2025-11-01')"
)


def rewrite(owner, statement):
    """Changes rows as somebody could who holds the database, past all its guards."""
    with owner.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        assert connection.execute(text(statement)).rowcount > 0


# A whole journal written anew, chain and balances and all: nothing but the seal can know.
REWRITTEN = """
DO $$
DECLARE row record; before bytea := decode(repeat('00', 32), 'hex');
BEGIN
  UPDATE entry SET memo = 'settle L12' WHERE memo = 'settle L11';
  FOR row IN SELECT * FROM entry WHERE programme = 'MAIDV-2025' ORDER BY number LOOP
    UPDATE entry SET previous_hash = before, hash = sha256(before || convert_to(
        '{"kind":' || to_json(kind) || ',"memo":' || to_json(memo) || ',"month":"' || to_char(month, 'YYYY-MM')
        || '","number":' || number || ',"postings":{' || (SELECT string_agg(to_json(code)::text || ':'
             || amount_krw, ',' ORDER BY code COLLATE "C")
             FROM posting JOIN account ON account.id = account_id WHERE entry_id = row.id)
        || '},"programme":' || to_json(programme) || ',"reference":' || to_json(reference) || '}', 'UTF8'))
      WHERE id = row.id RETURNING hash INTO before;
  END LOOP;
END $$
"""


def test_verify_against__finds_a_journal_that_was_rewritten_with_its_whole_chain(jeongsan, sealed_before, owner):
    with owner.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(REWRITTEN)
    assert jeongsan("verify")["ok"] is True
    ((check, message),) = findings(jeongsan, sealed_before)
    assert (check, message.startswith("2025-11 journal.head_hash: 봉인 ")) == ("seal", True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE charge SET amount_krw = amount_krw + 1 WHERE id = (SELECT min(id) FROM charge)", "charges.amount_krw"),
        ("DELETE FROM charge WHERE id = (SELECT min(id) FROM charge)", "charges.rows"),
        (UNPUBLISHED, "statements.MAIDV-2025_2025-11_"),
        ("UPDATE intake_batch SET received = received + 1, stored = stored + 1", "intake.received"),
        ("DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)", "intake.events"),
        ("UPDATE month_lock SET last_number = last_number - 1 WHERE month = '2025-11-01'", "journal.last_number"),
        ("UPDATE month_lock SET locked_at = locked_at - interval '1 second' WHERE month = '2025-11-01'", "locked_at"),
    ],
)  # fmt: skip
def test_verify_against__names_the_first_figure_that_changed(jeongsan, sealed, owner, change, named):
    rewrite(owner, change)
    (message,) = (message for check, message in findings(jeongsan, sealed) if check == "seal")
    assert message.startswith(f"2025-11 {named}"), message


def test_verify_against__an_entry_changed_before_the_seal_breaks_the_chain(jeongsan, sealed, owner):
    rewrite(owner, "UPDATE entry SET memo = 'x' WHERE number = 3")
    assert (
        "hash chain",
        "분개 3: 앞 분개와 이어지지 않거나 내용이 다릅니다 (the chain breaks at this entry)",
    ) in findings(jeongsan, sealed)


def test_verify_against__a_changed_seal_is_a_difference_that_names_what_differs(jeongsan, sealed):
    seal = json.loads(sealed.read_text())
    seal["journal"]["accounts"]["receivable:company"]["debit_krw"] += 1
    seal["charges"]["vat_krw"] += 1
    sealed.write_text(json.dumps(seal))
    ((_, message),) = findings(jeongsan, sealed)
    assert message.startswith("2025-11 journal.accounts.receivable:company.debit_krw: 봉인 ")
    assert message.endswith("(외 1건)")


def test_verify_against__a_month_that_is_open_here_is_a_difference(jeongsan, sealed):
    seal = json.loads(sealed.read_text())
    sealed.write_text(json.dumps(seal | {"month": "2026-01"}))
    ((_, message),) = findings(jeongsan, sealed)
    assert message == "2026-01: 봉인된 달인데 마감되어 있지 않습니다 (sealed, but not locked here)"


def test_seal__of_a_month_that_is_not_locked_is_refused(jeongsan, tmp_path):
    prepare(jeongsan)
    run(jeongsan, MONTH, "--until", "publish")
    refused = jeongsan("seal", MONTH, "--programme", PROGRAMME, "--out", tmp_path / "seal.json", exit_code=3)
    assert "only a locked month" in refused["messages"][0]
    assert list(tmp_path.iterdir()) == []


def test_seal__of_what_is_not_there_or_to_where_nothing_is_written_is_bad_input(jeongsan, sealed, tmp_path):
    jeongsan("seal", MONTH, "--programme", "NONE", exit_code=2)
    jeongsan("seal", "2025-13", "--programme", PROGRAMME, exit_code=2)
    jeongsan("seal", MONTH, "--programme", PROGRAMME, "--out", tmp_path / "no" / "seal.json", exit_code=2)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "1", '{"seal": "jeongsan-seal-1"}', '{"seal": "other"}', b"\xff\xfe", "CHANGED"]
)
def test_verify_against__what_is_no_seal_is_bad_input(jeongsan, tmp_path, content):
    jeongsan("load", CASE / "registry.toml", now=LOADED)
    path = tmp_path / "seal.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused = jeongsan("verify", "--against", path, exit_code=2)
    assert str(path) in refused["messages"][0]


def test_verify_against__a_file_or_a_programme_that_is_not_there_is_bad_input(jeongsan, sealed, tmp_path):
    jeongsan("verify", "--against", tmp_path / "nothing.json", exit_code=2)
    seal = json.loads(sealed.read_text())
    for part in ({"programme": "NONE"}, {"month": "soon"}, {"journal": []}, {"seal": "jeongsan-seal-9"}):
        sealed.write_text(json.dumps(seal | part))
        jeongsan("verify", "--against", sealed, exit_code=2)

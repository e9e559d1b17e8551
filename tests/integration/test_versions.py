"""Statements keep what they were issued with; a closed month's are re-issued as a new version only (domain.md §8)."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.month import Month
from reports.versions import rendered
from tests.worked import CASE, CLOSE, PROGRAMME, needs_case, run
from tests.worked import prepare as take_in

pytestmark = needs_case
NOVEMBER = "2025-11"
LATER = "2031-05-02T09:00:00+09:00"
H02 = f"{PROGRAMME}_{NOVEMBER}_병원정산서_H02.xlsx"


@pytest.fixture
def closed(jeongsan, engine, tmp_path):
    """November of the worked case, closed; then H02 is renamed, has another payee, and a fourth project is loaded."""
    take_in(jeongsan)
    run(jeongsan, NOVEMBER)
    registry = (CASE / "registry.toml").read_text()
    name = next(line for line in registry.splitlines() if line.startswith("name") and "H02" in line)
    grown = registry.replace(
        name, 'name = "새이름 병원"\npayee = { name = "새이름 산학협력단", brn = "124-81-00998" }', 1
    )
    assert grown != registry
    path = tmp_path / "registry.toml"
    path.write_text(
        grown
        + '\n[[project]]\ncode = "P4"\nprogramme = "MAIDV-2025"\ncompany = "C1"\ntier = "large"\ntitle = "P4"\n'
        + 'modalities = ["imaging", "text", "omics"]\nchannel = "bank"\n'
        + '\n[[agreement]]\ncode = "A4"\nproject = "P4"\nstarts = 2025-12-01\nends = 2026-03-31\n'
        + 'self_pay_mode = "arrears"\nover_limit = "hold"\n'
        + 'line = [ { code = "L41", supplier = "H02", category = "processing", grant_limit_krw = 1_000_000 } ]\n'
    )
    jeongsan("load", path, now=CLOSE[NOVEMBER])
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO user_account VALUES ('finance-1', 'finance', NULL, NULL, now(), NULL)"))
    return jeongsan


def published(engine, version: int = 1) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sha256 FROM published_file WHERE version = :version"), {"version": version}
        )
        return {row.name: row.sha256 for row in rows}


def test_statements__of_a_closed_month_render_the_same_after_parties_and_projects_changed(closed, engine):
    month = Month.parse(NOVEMBER)
    with engine.connect() as connection:
        files = rendered(connection, PROGRAMME, month, 1)
    assert {name: sha256(content).hexdigest() for name, content in files.items()} == published(engine)


def test_reissue__is_a_new_version_with_its_reason_and_the_old_one_stays(closed, engine, tmp_path):
    before = published(engine)
    done = closed("reissue", NOVEMBER, "--programme", PROGRAMME, "--party", "H02", "--reason", "기관명 변경",
                  "--by", "finance-1", now=LATER)  # fmt: skip
    assert (done["version"], [one["name"] for one in done["files"]]) == (2, [H02])
    assert published(engine) == before
    assert published(engine, 2).keys() == {H02}
    answer = closed("statements", NOVEMBER, "--programme", PROGRAMME, "--out", tmp_path / "new")
    assert [(one["version"], one["issued_by"], one["reason"]) for one in answer["versions"]][1:] == [
        (2, "finance-1", "기관명 변경")
    ]
    closed("statements", NOVEMBER, "--programme", PROGRAMME, "--out", tmp_path / "old", "--version", "1")
    now, then = (cells(tmp_path / folder / H02) for folder in ("new", "old"))
    assert any("새이름 산학협력단" in one for one in now)
    assert not any("새이름" in one for one in then)
    assert any("(2판)" in one for one in now)
    assert figures(tmp_path / "new" / H02) == figures(tmp_path / "old" / H02)
    written = {path.name: sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "new").iterdir()}
    assert written == {**before, **published(engine, 2)}
    assert closed("trace", f"{tmp_path / 'new' / H02}!정산서!C13")["amount_krw"] == 4_000_001
    assert closed("verify", "--deep")["ok"]


def cells(path: Path) -> set[str]:
    book = load_workbook(BytesIO(path.read_bytes()))
    return {str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell}


def figures(path: Path) -> list:
    book = load_workbook(BytesIO(path.read_bytes()))
    return [cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if type(cell) is int]


def test_seal__holds_after_a_statement_was_reissued(closed, tmp_path):
    sealed = tmp_path / "seal.json"
    closed("seal", NOVEMBER, "--programme", PROGRAMME, "--out", sealed)
    for reason in ("기관명 변경", "한 번 더"):
        closed("reissue", NOVEMBER, "--programme", PROGRAMME, "--party", "H02", "--reason", reason, "--by",
               "finance-1", now=LATER)  # fmt: skip
    assert closed("verify", "--against", sealed)["ok"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        ((NOVEMBER, "--party", "H09", "--reason", "x", "--by", "finance-1"), 2, "H09"),
        ((NOVEMBER, "--party", "H02", "--reason", " ", "--by", "finance-1"), 2, "--reason"),
        ((NOVEMBER, "--party", "H02", "--reason", "x", "--by", "nobody"), 3, "nobody"),
        (("2025-12", "--party", "H02", "--reason", "x", "--by", "finance-1"), 3, "not locked"),
    ],
)
def test_reissue__is_refused_without_a_statement_a_reason_a_person_or_a_lock(
    closed, engine, arguments, exit_code, said
):
    before = published(engine)
    answer = closed("reissue", *arguments, "--programme", PROGRAMME, exit_code=exit_code, now=LATER)
    assert said in answer["messages"][0]
    assert published(engine) == before
    assert published(engine, 2) == {}


KEPT = "SELECT programme, month, {version}, {reason}, 'x', now(), parties, projects FROM statement_version"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO statement_version " + KEPT.format(version=3, reason="'x'"),
        "INSERT INTO statement_version " + KEPT.format(version=2, reason="' '"),
        "UPDATE statement_version SET reason = 'other'",
        "DELETE FROM statement_version",
        "INSERT INTO published_file SELECT programme, month, 'other.xlsx', 1, sha256, content, now()"
        " FROM published_file LIMIT 1",
        "INSERT INTO published_file SELECT programme, month, name, 2, sha256, content, now() FROM published_file",
        "UPDATE published_file SET content = 'x'",
    ],
)
def test_database__refuses_a_version_out_of_order_without_reason_or_a_file_slipped_into_a_closed_month(
    closed, owner, statement
):
    with owner.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text(statement))

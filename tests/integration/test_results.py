"""Research results: on record with the data that led to them, their revenue shared by contribution."""

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from portal.cli import main
from tests.worked import PROGRAMME, needs_case, prepare, run

pytestmark = needs_case
RESULT = """
[[result]]
code = "R1"
project = "P1"
kind = "model"
title = "폐결절 검출 모델"
on = 2025-12-20
evidence = { reference = "모델 등록부 12" }
sharing = "공급병원에 모델 사용권"
datasets = [ { line = "L11", works = ["w1"] }, { line = "L12" } ]
"""
PAPER = """
[[result]]
code = "R2"
project = "P2"
kind = "paper"
title = "임상 기록 논문"
on = 2025-12-28
datasets = [ { line = "L21" } ]
"""
EARNED = "revenue = [ { on = 2025-12-30, krw = 1_000_001 } ]\n"


@pytest.fixture
def load(jeongsan, tmp_path):
    """Loads research results from a text: load(text, …) → the answer."""

    def loading(content, **expecting):
        path = tmp_path / "results.toml"
        path.write_text(content)
        return jeongsan("load", path, now="2026-01-06T09:00:00+09:00", **expecting)

    return loading


def results(jeongsan):
    return {one["code"]: one for one in jeongsan("results", "--programme", PROGRAMME)["results"]}


def test_result__is_on_record_with_the_contribution_of_its_data(jeongsan, load):
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")
    load(RESULT + PAPER)
    found = results(jeongsan)["R1"]
    assert (found["kind"], found["evidence"], found["sharing"]) == ("model", "모델 등록부 12", "공급병원에 모델 사용권")
    assert found["datasets"] == [
        {"line": "L11", "hospital": "H01", "works": ["w1"], "works_missing": [], "contribution": "6683.25"},
        {"line": "L12", "hospital": "H02", "works": [], "works_missing": [], "contribution": "0"},
    ]
    assert results(jeongsan)["R2"]["datasets"][0]["contribution"] == "2700"


def test_revenue__goes_to_the_hospitals_whose_data_contributed(jeongsan, load):
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")
    load(RESULT + EARNED)
    (earned,) = results(jeongsan)["R1"]["revenue"]
    assert earned["shares"] == {"H01": 1_000_001}
    assert (earned["final"], earned["month"], earned["undistributed_krw"]) == (True, "2025-12", 0)


def test_revenue__grows_and_what_is_on_record_stays(jeongsan, load):
    prepare(jeongsan, "2025-11")
    load(RESULT + EARNED)
    assert load(RESULT + EARNED)["already"] == {"result": ["R1"]}
    more = EARNED.replace(" ]", ", { on = 2026-01-05, krw = 7 } ]")
    assert load(RESULT + more)["changed"] == {"result": ["R1"]}
    assert [one["krw"] for one in results(jeongsan)["R1"]["revenue"]] == [1_000_001, 7]
    refused = load(RESULT.replace("폐결절", "유방") + more, exit_code=3)
    assert "other content under a used code" in refused["messages"][0]
    assert "(a loaded item stays" in load(RESULT + EARNED, exit_code=3)["messages"][0]


def test_revenue__before_its_month_is_locked_is_provisional_and_without_contribution_undistributed(jeongsan, load):
    prepare(jeongsan, "2025-11")
    load(RESULT + EARNED)
    (earned,) = results(jeongsan)["R1"]["revenue"]
    assert (earned["final"], earned["month"], earned["shares"]) == (False, None, {})
    assert earned["undistributed_krw"] == 1_000_001


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('line = "L12"', 'line = "L21"', "datasets[2].line"),
        ('project = "P1"', 'project = "P9"', ".project"),
        ('kind = "model"', 'kind = "song"', ".kind"),
        ('{ reference = "모델 등록부 12" }', "{}", ".evidence"),
        ('line = "L12"', 'line = "L11"', "given twice"),
    ],
)
def test_result__a_bad_one_is_refused_with_its_path(jeongsan, load, old, new, said):
    prepare(jeongsan, "2025-11")
    assert said in load(RESULT.replace(old, new), exit_code=2)["messages"][0]


@pytest.mark.parametrize("table", ["result", "result_dataset", "result_revenue"])
def test_result__is_never_changed_nor_deleted(jeongsan, load, owner, table):
    prepare(jeongsan, "2025-11")
    load(RESULT + EARNED)
    with pytest.raises(DBAPIError, match="never changed"), owner.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


def test_results__as_text_name_kind_data_and_revenue(jeongsan, load):
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")
    load(RESULT + EARNED)
    done = CliRunner().invoke(main, ["results", "--programme", PROGRAMME])
    assert done.exit_code == 0, done.output
    assert "R1  모델  2025-12-20  P1" in done.stdout
    assert "H01 1,000,001" in done.stdout

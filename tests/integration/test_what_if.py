"""month run --dry-run --assume: other terms shown beside the real ones, nothing booked."""

import pytest
from click.testing import CliRunner

from portal.cli import main
from tests.worked import CLOSE, PROGRAMME, needs_case, prepare, run

pytestmark = needs_case


@pytest.fixture
def december(jeongsan, tmp_path):
    """The worked case before December's run: december(assumption, …) → the dry run's answer."""
    prepare(jeongsan, "2025-12")

    def assume(text, **expecting):
        path = tmp_path / "assume.toml"
        path.write_text(text)
        return run(jeongsan, "2025-12", "--dry-run", "--assume", path, **expecting)

    return assume


def changed(document) -> dict:
    """What an assumption changes: (part, code, name) → difference."""
    return {
        (part, code, name): krw
        for part, rows in document["what_if"]["difference"].items()
        for code, row in rows.items()
        for name, krw in row.items()
        if krw
    }


def test_assume__another_fee_changes_the_fee_and_what_companies_pay_and_nothing_else(december):
    answer = december("platform_fee = { rate_bp = 1000 }")
    assert answer["what_if"]["real"]["operator"]["fee"] == {"amount_krw": 511_474, "vat_krw": 51_146}
    assert answer["what_if"]["assumed"]["operator"]["fee"]["amount_krw"] == -582_046 + 41_120 + 1_293_879 + 269_997
    found = changed(answer)
    assert {part for part, *_ in found} == {"operator", "company"}
    assert sum(krw for (part, *_), krw in found.items() if part == "company") == sum(
        krw for (part, *_), krw in found.items() if part == "operator"
    )


def test_assume__the_text_names_every_figure_in_the_language_that_was_asked_for(december, tmp_path):
    december("platform_fee = { rate_bp = 1000 }")
    command = ["month", "run", "2025-12", "--programme", PROGRAMME, "--dry-run", "--assume", tmp_path / "assume.toml"]
    done = CliRunner().invoke(main, [*map(str, command), "--now", CLOSE["2025-12"], "--lang", "en"])
    assert "fee supply" in done.stdout
    assert not any("가" <= one <= "힣" for one in done.stdout)


def test_assume__real_figures_are_those_of_the_run(december):
    answer = december("self_pay_bp = 2000")
    real = answer["what_if"]["real"]
    assert real["lines"] == answer["lines"]
    assert {code: row["total_krw"] for code, row in real["company"].items()} == {
        code: row["total_krw"] for code, row in answer["company"].items()
    }
    for hospital, row in real["hospital"].items():
        assert row == {name: answer["hospital"][hospital][name] for name in row}


def test_assume__another_self_pay_rate_of_a_line_is_split_as_if_it_had_always_been_so(december):
    answer = december('line = [ { code = "L31", self_pay_bp = 2000 } ]')
    line = answer["what_if"]["assumed"]["lines"]["L31"]
    total = 4_999_950 + 2_699_973
    assert line["supply_krw"] == 2_699_973
    assert line["voucher_krw"] == total * 8000 // 10_000 - 4_999_950 * 8000 // 10_000
    assert {code for part, code, _ in changed(answer) if part == "lines"} == {"L31"}


def test_assume__another_limit_frees_held_work(december):
    answer = december('line = [ { code = "L22", grant_limit_krw = 3_000_000 } ]')
    assert answer["what_if"]["real"]["lines"]["L22"]["held_krw"] == 0
    assert answer["what_if"]["assumed"]["lines"]["L22"]["held_krw"] == 411_207


def test_assume__another_price_changes_every_rate_of_these_dimensions(december):
    answer = december('price = [ { meter = "gpu", model = "H200", unit_price_krw = 13000 } ]')
    assert changed(answer) == {
        ("operator", "gpu", "amount_krw"): 43_333,
        ("operator", "gpu", "vat_krw"): 4_333,
        ("company", "C3", "total_krw"): 43_333 + 4_333,
    }


def test_assume__nothing_is_booked_and_the_run_that_follows_is_the_real_one(december, jeongsan):
    before = jeongsan("balances", "--programme", PROGRAMME)
    dry = december("self_pay_bp = 5000")
    assert jeongsan("balances", "--programme", PROGRAMME) == before
    booked = run(jeongsan, "2025-12")
    assert booked["lines"] == dry["lines"]


def test_assume__of_a_locked_month_compares_with_what_it_booked(december, jeongsan):
    run(jeongsan, "2025-12")
    answer = december("platform_fee = { rate_bp = 500 }")
    assert changed(answer) == {}


def test_assume__a_line_or_price_that_is_not_there_is_named(december):
    refused = december(
        'line = [ { code = "L99", self_pay_bp = 1 } ]\nprice = [ { meter = "gpu", model = "X", unit_price_krw = 1 } ]',
        exit_code=2,
    )
    assert [message.split(":")[1].strip() for message in refused["messages"]] == ["line[1].code", "price[1]"]


def test_assume__a_limit_below_what_was_executed_is_refused(december):
    refused = december('line = [ { code = "L11", grant_limit_krw = 1 } ]', exit_code=3)
    assert "L11" in refused["messages"][0]


def test_assume__without_a_dry_run_is_refused(jeongsan, december, tmp_path):
    path = tmp_path / "assume.toml"
    assert run(jeongsan, "2025-12", "--assume", path, exit_code=2)["error"] == "BadInput"


def test_assume__is_shown_as_text_with_real_assumed_and_difference(december, tmp_path):
    path = tmp_path / "assume.toml"
    path.write_text('price = [ { meter = "gpu", model = "H200", unit_price_krw = 13000 } ]')
    done = CliRunner().invoke(
        main,
        ["month", "run", "2025-12", "--programme", PROGRAMME, "--dry-run", "--assume", str(path), "--now",
         CLOSE["2025-12"]],
    )  # fmt: skip
    row = next(line for line in done.stdout.splitlines() if line.startswith("GPU 공급가액"))
    assert row.split()[-3:] == ["368,343", "411,676", "43,333"]

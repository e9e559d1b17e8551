"""jeongsan forecast on the worked case."""

from click.testing import CliRunner

from portal.cli import main
from tests.worked import PROGRAMME, needs_case, prepare, run

pytestmark = needs_case


def forecast(jeongsan, **expecting):
    return jeongsan("forecast", "--programme", PROGRAMME, **expecting)


def test_forecast__of_the_worked_case_says_rates_ends_and_its_error(jeongsan):
    prepare(jeongsan, "2025-12")
    assert forecast(jeongsan)["back_test"] == {"months": [], "mean_error": None}
    run(jeongsan, "2025-12")
    found = forecast(jeongsan)
    assert (found["month"], found["until"]) == ("2025-12", "2026-03")
    assert found["lines"]["L31"] == {
        "project": "P3", "limit_krw": 120_000_000, "executed_krw": 6_544_934, "run_rate_krw": 3_272_467,
        "reached": None, "forecast_krw": 6_544_934 + 3 * 3_272_467, "left_krw": 120_000_000 - 4 * 3_272_467 - 3_272_467,
    }  # fmt: skip
    assert found["lines"]["L22"]["reached"] == "2026-01"
    assert found["projects"]["P1"]["forecast_krw"] == 35_604_642
    total = found["total"]
    assert (total["executed_krw"], total["rate"]) == (60_724_232, "0.0253")
    assert total["left_krw"] == 2_400_000_000 - total["forecast_krw"]
    assert [one["month"] for one in found["back_test"]["months"]] == ["2025-12"]
    (month,) = found["back_test"]["months"]
    assert (month["forecast_krw"], month["actual_krw"]) == (49_070_266, 8_653_966)
    assert found["back_test"]["mean_error"] == month["error"] == "4.6703"


def test_forecast__without_a_locked_month_is_refused(jeongsan):
    prepare(jeongsan, "2025-11")
    assert "no month is locked" in forecast(jeongsan, exit_code=3)["messages"][0]


def test_forecast__says_its_method_and_error_as_text(jeongsan):
    prepare(jeongsan, "2025-12")
    run(jeongsan, "2025-12")
    done = CliRunner().invoke(main, ["forecast", "--programme", PROGRAMME])
    assert done.exit_code == 0, done.output
    assert "방법:" in done.stdout
    assert "467.0%" in done.stdout

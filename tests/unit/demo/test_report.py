"""What the demo ends with."""

import re

from demo import report
from reports.ties import Finding

MONTH = {
    "month": "2025-12",
    "lines": {"L1": {"voucher_krw": 850, "self_pay_krw": 150, "held_krw": 7}},
    "charges": [
        {"kind": "gpu", "amount_krw": 30, "correction": False},
        {"kind": "fee", "amount_krw": 50, "correction": True},
    ],
    "incentive": {"distributed_krw": 20},
    "budget": {"current_krw": 1000, "executed_krw": 621, "committed_krw": 329, "available_krw": 50},
    "differences": 0,
}
INTAKE = {
    "received": 10,
    "stored": 6,
    "duplicate": 2,
    "quarantined": 1,
    "dead_lettered": 1,
    "balanced": True,
}


def rendered(tmp_path, month=MONTH, findings=(), lang=0, verified=()):
    def say(*texts):
        return texts[lang]

    return report.render(say, INTAKE, [month], findings, {"findings": list(verified)}, tmp_path)


def test_report__ends_with_the_line_that_others_look_for(tmp_path):
    assert rendered(tmp_path).splitlines()[-1] == "reconciled: 0 differences"
    assert str(tmp_path) in rendered(tmp_path).splitlines()[-2]


def test_report__a_difference_of_a_month_and_an_error_of_verify_both_count(tmp_path):
    error = {"level": "ERROR", "check": "hash chain", "message": "…", "refs": []}
    shown = rendered(tmp_path, {**MONTH, "differences": 2}, verified=[error])
    assert shown.splitlines()[-1] == "reconciled: 3 differences"


def test_report__the_budget_bar_is_full_and_in_proportion(tmp_path):
    bar = re.search(r"\[([█▒░]+)\]", rendered(tmp_path))[1]
    assert len(bar) == report.BAR
    assert (bar.count("█"), bar.count("▒"), bar.count("░")) == (29, 16, 3)
    assert "집행 621 (62.1 %)" in rendered(tmp_path)


def test_report__says_the_same_in_english(tmp_path):
    shown = rendered(tmp_path, lang=1)
    assert "Events: received 10 = stored 6 + duplicate 2 + quarantined 1 + dead letters 1" in shown
    assert "Findings: none." in shown
    assert not re.search("[가-힣]", shown)


def test_report__findings_of_a_check_are_counted_with_the_first_of_them(tmp_path):
    many = [Finding(level="WARN", check="held", message=f"보류 {n}", english=f"held {n}") for n in range(20)]
    assert "점검 결과 20건\n  WARN  held (20): 보류 0\n" in rendered(tmp_path, findings=many)
    assert "Findings: 20\n  WARN  held (20): held 0\n" in rendered(tmp_path, findings=many, lang=1)


def test_percent__is_rounded_half_up():
    assert [report.percent(part, 2000) for part in (0, 1, 1999, 2000, 999)] == [
        "0.0 %",
        "0.1 %",
        "100.0 %",
        "100.0 %",
        "50.0 %",
    ]

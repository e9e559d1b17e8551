"""Tax documents from a month's charges to the tax office and back (domain.md §8), through the commands."""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from billing.tax_modify import modify
from billing.tax_reading import tax_forms
from core.month import Month
from reports.tax_export import export_tax_documents
from tests.driven import H2_PRICES, World, event, work
from tests.events import voided
from tests.filing import (
    COMPLETE,
    DECEMBER,
    NOVEMBER,
    PROGRAMME,
    TAXES,
    approval,
    december,
    export,
    listed,
    november,
    numbered,
    rows_of,
    tax_world,
)
from tests.worked import CASE, needs_case, prepare, run
from tests.worked import PROGRAMME as CASE_PROGRAMME


@pytest.fixture
def world(jeongsan, registry_file, engine, tmp_path):
    """P2 of the small programme with taxable, exempt and zero-rated supply."""
    return tax_world(jeongsan, registry_file, engine, tmp_path)


def test_documents__taxable_zero_rated_and_exempt_supply_each_have_their_own(world):
    november(world)
    assert {number: (one["tax"], one["supply_krw"], one["vat_krw"]) for number, one in listed(world).items()} == {
        "TAX-H1-2025-000001": ("zero", 123_450, 0),
        "EXM-H1-2025-000001": ("exempt", 123_450, 0),
        "TAX-H2-2025-000001": ("taxable", 18_998, 1_899),
        "TAX-OP-2025-000001": ("taxable", 7_000 + 13_294, 700 + 1_329),
    }


def test_late_supply__is_ordinary_and_what_changed_names_its_original(world):
    november(world)
    december(
        world, voided("v1", "a-w1"), *work("w5", "L21", 3, project="P2"), *work("w6", "L21", 2, "2025-12-09", "P2")
    )
    found = listed(world, DECEMBER)
    shown = {number: (one["supply_krw"], one["original"], one["reason"]) for number, one in found.items()}
    assert shown == {
        "TAX-H2-2025-000002": (5 * 1_357, None, None),
        "TAX-H2-2025-000003": (-4 * 1_357, "TAX-H2-2025-000001", "02"),
        "TAX-OP-2025-000002": (135, None, None),
        "TAX-OP-2025-000003": (-67, "TAX-OP-2025-000001", "02"),
    }
    assert {one["written_on"] for one in found.values()} == {"2025-12-31"}


def test_trace__a_document_s_number_leads_to_its_original_its_charges_and_their_events(world):
    november(world)
    december(world, voided("v1", "a-w1"))
    found = world.call("trace", "TAX-H2-2025-000002", *PROGRAMME)
    assert (found["kind"], found["amount_krw"]) == ("tax", -5_428 - 542)
    assert found["parents"] == ["tax:TAX-H2-2025-000001"]
    assert found["charges"] == ["charge:2025-12/P2/2025-11/preparation/L21/w1"]
    assert {one["id"] for one in found["events"]} >= {"w1", "a-w1"}
    assert len(world.call("trace", *found["parents"])["charges"]) == 2
    assert len(world.call("trace", "tax:TAX-OP-2025-000001")["charges"]) > 1


def test_termination__with_nothing_left_of_a_document_s_lines_is_reason_04(world, registry_file):
    november(world)
    world.ingest(voided("v1", "a-w1"), voided("v2", "a-w2"), now="2025-12-20T00:00:00Z")
    ended = ("amendment = [", 'terminated = { on = 2025-12-10, reason = "해지" }\namendment = [')
    world.call("load", registry_file(*COMPLETE, *TAXES, ended, more=H2_PRICES), now="2025-12-20T09:00:00+09:00")
    world.run(DECEMBER)
    (hospital,) = [one for one in listed(world, DECEMBER).values() if one["supplier"] == "H2"]
    assert (hospital["supply_krw"], hospital["original"], hospital["reason"]) == (-18_998, "TAX-H2-2025-000001", "04")
    (operator,) = [one for one in listed(world, DECEMBER).values() if one["supplier"] == "OP"]
    assert operator["reason"] == "02"


def test_export__is_refused_with_every_problem_and_goes_through_once_the_registry_is_complete(
    jeongsan, registry_file, engine, tmp_path
):
    plain = (("settlement_closes_on", "settlement_closes_on"), *TAXES[1:])
    jeongsan("load", registry_file(*plain, more=H2_PRICES), now="2025-09-15T09:00:00+09:00")
    world = World(jeongsan, tmp_path)
    november(world)
    checked = jeongsan("tax", "check", NOVEMBER, *PROGRAMME, now="2025-12-05T00:00:00Z", exit_code=1)
    assert (checked["ok"], checked["due_on"], checked["late"]) == (False, "2025-12-10", [])
    found = {(one["document"], one["party"], one["field"]) for one in checked["problems"]}
    assert ("TAX-H2-2025-000001", "H2", "brn") in found
    assert ("TAX-H2-2025-000001", "C2", "email") in found
    assert ("EXM-H1-2025-000001", None, "tax_reason") in found
    refused = export(world, tmp_path / "out", exit_code=2)
    assert len(refused["messages"]) == len(checked["problems"]) == 4 * 6 + 2 * 5 + 6 + 6 + 2
    assert not (tmp_path / "out").exists()
    jeongsan("load", registry_file(*COMPLETE, *TAXES, more=H2_PRICES), now="2025-12-05T09:00:00+09:00")
    assert jeongsan("tax", "check", NOVEMBER, *PROGRAMME, now="2025-12-05T00:00:00Z")["ok"]
    assert export(world, tmp_path / "out")["documents"] == 4


def test_export__again_gives_the_same_files_and_documents_stay_as_they_were_issued(
    world, engine, registry_file, tmp_path
):
    november(world)
    with engine.connect() as connection:
        before = tax_forms(connection, "V25", Month(2025, 11))
    renamed = [
        ("나래", "새 나래"),
        ("둘째재단", "셋째재단"),
        ("109-81-12710", "101-82-79198"),
        ("대표자 H1", "다른 대표자"),
    ]
    world.call("load", registry_file(*COMPLETE, *TAXES, *renamed, more=H2_PRICES), now="2025-12-04T09:00:00+09:00")
    with engine.connect() as connection:
        assert tax_forms(connection, "V25", Month(2025, 11)) == before
    first = export(world, tmp_path / "a")
    assert [Path(path).name for path in first["files"]] == [
        "V25_2025-11_세금계산서_01.xlsx", "V25_2025-11_계산서_01.xlsx"]  # fmt: skip
    again = export(world, tmp_path / "b", now="2026-02-05T00:00:00Z")
    assert (first["documents"], again["documents"]) == (4, 0)
    assert [Path(path).read_bytes() for path in again["files"]] == [Path(path).read_bytes() for path in first["files"]]
    hospital = next(row for row in rows_of(first["files"][0]) if row[21].startswith("TAX-H2-"))
    assert hospital[:5] == ("01", "20251130", "1098112710", None, "둘째재단")
    assert (hospital[12], hospital[19], hospital[20]) == ("나래", 18_998, 1_899)
    (exempt,) = rows_of(first["files"][1])
    assert (exempt[19], exempt[20], exempt[21]) == (123_450, None, "EXM-H1-2025-000001 / 부가가치세법 제26조")
    assert {one["state"] for one in listed(world).values()} == {"exported"}


def test_modify__01_cancels_and_corrects_with_the_parties_as_they_are_now(world, engine, registry_file, tmp_path):
    november(world)
    export(world, tmp_path / "a")
    call = ("tax", "modify", "TAX-H2-2025-000001", "--reason", "01", "--by")
    assert "당사자" in world.call(*call, "finance-1", exit_code=3)["messages"][0]
    world.call("load", registry_file(*COMPLETE, *TAXES, ("나래", "새 나래"), more=H2_PRICES),
               now="2025-12-08T09:00:00+09:00")  # fmt: skip
    for other in ("h01", "c2", "nobody"):
        world.call(*call, other, exit_code=3)
    cancelled, corrected = world.call(*call, "h02", now="2025-12-08T00:00:00Z")["issued"]
    assert [one["number"] for one in (cancelled, corrected)] == ["TAX-H2-2025-000002", "TAX-H2-2025-000003"]
    assert {one["written_on"] for one in (cancelled, corrected)} == {"2025-11-30"}
    assert {one["original"] for one in (cancelled, corrected)} == {"TAX-H2-2025-000001"}
    assert [(one["month"], one["supply_krw"], one["vat_krw"]) for one in (cancelled, corrected)] == [
        (DECEMBER, -18_998, -1_899), (DECEMBER, 18_998, 1_899)]  # fmt: skip
    assert "이미 정정한" in world.call(*call, "h02", exit_code=3)["messages"][0]
    world.call("tax", "modify", cancelled["number"], "--reason", "01", "--by", "h02", exit_code=3)
    done = export(world, tmp_path / "b", DECEMBER, now="2025-12-08T00:00:00Z")
    assert [(row[12], row[19]) for row in rows_of(done["files"][0])] == [("나래", -18_998), ("새 나래", 18_998)]
    december(world, voided("v1", "a-w1"))
    (changed,) = [one for one in listed(world, DECEMBER).values() if one["supplier"] == "H2" and one["reason"] == "02"]
    assert changed["original"] == "TAX-H2-2025-000003"
    assert world.call("audit", *PROGRAMME, now="2026-01-06T00:00:00Z")["ok"]


def test_modify__a_person_states_why_a_change_was_issued_until_it_is_exported(world, tmp_path):
    november(world)
    december(world, voided("v1", "a-w1"))
    number = "TAX-H2-2025-000002"
    for reason, document in (("03", "TAX-H2-2025-000001"), ("07", number), ("03", "TAX-H2-2025-000009"), ("03", "x")):
        expected = 3 if document == "TAX-H2-2025-000001" else 2
        world.call("tax", "modify", document, "--reason", reason, "--by", "finance-1", exit_code=expected)
    done = world.call("tax", "modify", number, "--reason", "06", "--by", "finance-1", now="2026-01-06T00:00:00Z")
    assert done == {"document": number, "reason": "06", "issued": []}
    assert listed(world, DECEMBER)[number]["reason"] == "06"
    files = export(world, tmp_path / "a", DECEMBER, now="2026-01-06T00:00:00Z")["files"]
    notes = [row[21] for row in rows_of(files[0]) if row[21].startswith(number)]
    assert notes == [f"{number} / 수정 06 착오에 의한 이중발급 당초 TAX-H2-2025-000001 20251130"]
    world.call("tax", "modify", number, "--reason", "03", "--by", "finance-1", exit_code=3)


def test_import__keeps_the_tax_office_s_numbers_once(world, tmp_path):
    november(world)
    rows = [(approval(1), "TAX-H2-2025-000001"), (approval(2), "EXM-H1-2025-000001 / 부가가치세법 제26조")]
    assert numbered(world, tmp_path / "a.csv", *rows) == {"file": "a.csv", "rows": 2, "new": 2, "already": 0}
    more = [*rows, (approval(3), "TAX-OP-2025-000001")]
    assert numbered(world, tmp_path / "b.csv", *more) == {"file": "b.csv", "rows": 3, "new": 1, "already": 2}
    found = listed(world, now="2025-12-11T00:00:00Z")
    assert (found["TAX-H2-2025-000001"]["state"], found["TAX-H2-2025-000001"]["approval_number"]) == (
        "approved", approval(1).replace("-", ""))  # fmt: skip
    assert [number for number, one in found.items() if one["late"]] == ["TAX-H1-2025-000001"]
    refused = numbered(world, tmp_path / "c.csv", (approval(9), "TAX-H2-2025-000001"), exit_code=3)
    assert "c.csv:2: TAX-H2-2025-000001" in refused["messages"][0]
    numbered(world, tmp_path / "d.csv", (approval(1), "TAX-H1-2025-000001"), exit_code=3)
    assert export(world, tmp_path / "out")["documents"] == 1


BAD = [
    ("승인번호,발급일자\n1,2\n", "머리글에 승인번호와 비고가 없습니다"),
    ("", "머리글에"),
    ("승인번호,비고\n", "비고에 문서번호"),
    ("승인번호,비고\n20251205-41000000-00000001,기타\n", "비고에 문서번호"),
    ("승인번호,비고\n20251205-41000000-0000001,TAX-H2-2025-000001\n", ":2: 승인번호"),
    ("승인번호,비고\n20251305-41000000-00000001,TAX-H2-2025-000001\n", ":2: 승인번호"),
    ("승인번호,비고\n２０251205-41000000-00000001,TAX-H2-2025-000001\n", ":2: 승인번호"),
    ("승인번호,비고\n,TAX-H2-2025-000001\n", ":2: 승인번호"),
    ("승인번호,비고\n20251205-41000000-00000001\n", "비고에 문서번호"),
    ("승인번호,비고\n20251205-41000000-00000001,TAX-H2-2025-000009\n", ":2: 'TAX-H2-2025-000009'"),
    ("승인번호,비고\n20251205-41000000-00000001,EXM-H2-2025-000001\n", ":2: 'EXM-H2-2025-000001'"),
    ("승인번호,비고,발급일자\n20251205-41000000-00000001,TAX-H2-2025-000001,2025-13-05\n", ":2: 발급일자"),
    ("승인번호,비고\n20251205-41000000-00000001,TAX-H2-2025-000001\n20251205-41000000-00000002,TAX-H2-2025-000001\n",
     ":3: 'TAX-H2-2025-000001': 2번째"),
    ("승인번호,비고\n20251205-41000000-00000001,TAX-H2-2025-000001\n20251205-41000000-00000001,TAX-OP-2025-000001\n",
     ":3: '202512054100000000000001'"),
    ('승인번호,비고\n"20251205', "CSV 형식"),
    (b"PK\x03\x04\x00\x00\xff\xff", "텍스트가 아닙니다"),
    ("승인번호,비고\n".encode("utf-16"), "텍스트가 아닙니다"),
]  # fmt: skip


def test_import__a_bad_file_is_refused_by_line_and_nothing_of_it_is_kept(world, engine, tmp_path):
    november(world)
    path = tmp_path / "numbers.csv"
    for content, said in BAD:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        refused = world.call("tax", "import", path, exit_code=2)
        assert any(said in message for message in refused["messages"]), (content, refused)
    world.call("tax", "import", tmp_path / "none.csv", exit_code=2)
    good = "승인번호,비고\n20251205-41000000-00000001,TAX-H2-2025-000001\n"
    path.write_bytes(good.encode("cp949") + b"x,TAX-OP-2025-000001\n")
    world.call("tax", "import", path, exit_code=2)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM tax_approval")) == 0
    path.write_bytes(("일괄발급 결과\n\n" + good).encode("cp949"))
    assert world.call("tax", "import", path)["new"] == 1


def test_late_documents__are_a_warning_once_the_programme_files_here(world, tmp_path):
    november(world)
    audit = ("audit", *PROGRAMME)
    name = "tax document not numbered in time"
    assert name not in {one["check"] for one in world.call(*audit, now="2025-12-11T00:00:00Z")["findings"]}
    export(world, tmp_path / "a")
    assert name not in {one["check"] for one in world.call(*audit, now="2025-12-10T00:00:00Z")["findings"]}
    checked = world.call("tax", "check", NOVEMBER, *PROGRAMME, now="2025-12-11T00:00:00Z", exit_code=1)
    assert (checked["problems"], checked["late"]) == ([], list(listed(world)))
    (found,) = [one for one in world.call(*audit, now="2025-12-11T00:00:00Z")["findings"] if one["check"] == name]
    assert (found["level"], "TAX-OP-2025-000001" in found["message"]) == ("WARN", True)
    numbered(world, tmp_path / "a.csv", *[(approval(n), number) for n, number in enumerate(listed(world))])
    assert name not in {one["check"] for one in world.call(*audit, now="2025-12-11T00:00:00Z")["findings"]}


def test_supply_that_the_company_pays_itself__has_no_document(world):
    world.ingest(event("result.exported", "r1", project="P2", at="2025-11-16T00:00:00Z", kind="model", digest="x"),
                 now="2025-12-02T00:00:00Z")  # fmt: skip
    world.run(NOVEMBER)
    assert listed(world) == {}


@needs_case
def test_worked_case__documents_are_those_of_the_worked_months_and_corrections_name_their_originals(jeongsan):
    prepare(jeongsan, DECEMBER)
    run(jeongsan, DECEMBER)
    worked = tomllib.loads((CASE.parent / "worked-month.toml").read_text())["expect"]
    for month in (NOVEMBER, DECEMBER):
        found = jeongsan("tax", "list", month, "--programme", CASE_PROGRAMME)["documents"]
        shown = [
            ({"OP": "OPERATOR"}.get(one["supplier"], one["supplier"]), one["project"],
             "correction" if one["original"] else "new", one["supply_krw"], one["vat_krw"])
            for one in found
        ]  # fmt: skip
        expected = [tuple(one[name] for name in ("issuer", "project", "kind", "supply", "vat"))
                    for one in worked[month]["tax_documents"]]  # fmt: skip
        assert sorted(shown) == sorted(expected)
    originals = {
        (one["supplier"], one["project"]): (one["original"], one["reason"]) for one in found if one["original"]
    }
    assert originals["H02", "P1"] == ("TAX-H02-2025-000001", "02")
    assert originals["H02", "P2"] == ("TAX-H02-2025-000002", "02")


def test_at_once__two_exports_write_each_document_once_and_of_two_corrections_one_is_refused(
    world, engine, registry_file, tmp_path
):
    november(world)
    months = [(tmp_path / name, Month(2025, 11)) for name in "ab"]
    at = datetime.fromisoformat("2025-12-05T00:00:00+00:00")
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda one: export_tax_documents(engine, "V25", one[1], one[0], at), months))
    assert sorted(one.documents for one in done) == [0, 4]
    assert [path.read_bytes() for path in done[0].files] == [path.read_bytes() for path in done[1].files]
    world.call("load", registry_file(*COMPLETE, *TAXES, ("나래", "새 나래"), more=H2_PRICES),
               now="2025-12-08T09:00:00+09:00")  # fmt: skip

    def correct(_):
        with engine.begin() as connection:
            return modify(connection, "TAX-H2-2025-000001", "01", "finance-1", at)

    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(correct, number) for number in range(2)]
        errors = [one.exception() for one in asked]
    assert sorted(type(one).__name__ for one in errors) == ["NoneType", "RuleRefused"]
    assert list(listed(world, DECEMBER)) == ["TAX-H2-2025-000002", "TAX-H2-2025-000003"]

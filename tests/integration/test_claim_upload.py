"""The claim's Excel sheet against the database: what it is prefilled with, what an upload books and must not book."""

from datetime import date

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from billing.claim import claimable
from billing.claim_action import withdraw
from billing.claim_upload import claim_template, upload_claim
from core.errors import BadInput, RuleRefused
from portal.cli import main
from tests.claim_files import CELLS, FILES, edited, set_to
from tests.claiming import NOVEMBER, NOW, add_users, part
from tests.driven import event, work

OF_MONTH = ("V25", "H1", NOVEMBER)


@pytest.fixture
def works(world, loaded):
    """November's work of H1: 10 studies, 5 of which 3 are accepted in November; some refused, some not decided yet."""
    add_users(loaded)
    rejected = event("preparation.rejected", "r-w4", ref="w4", at="2025-11-12T05:00:00+09:00", by="company", reason="x")
    world.ingest(
        *work("w1", "L11", 10), work("w2", "L11", 5)[0], part("a-w2", "w2", "3"),
        part("b-w2", "w2", "2", "2025-12-02T05:00:00+09:00"), work("w3", "L11", 2)[0], work("w4", "L11", 4)[0],
        rejected, *work("x1", "L12", 7), now="2025-12-02T09:00:00+09:00",
    )  # fmt: skip
    return world


@pytest.fixture
def desk(works, engine):
    """A hospital's user at work: template(), upload(content), and what is booked."""
    return Desk(engine)


class Desk:
    def __init__(self, engine):
        self.engine = engine

    def template(self, **options):
        with self.engine.connect() as connection:
            return claim_template(connection, *OF_MONTH, **{"blank": False} | options)

    def upload(self, content, *of_month, by="h1-1"):
        with self.engine.begin() as connection:
            return upload_claim(connection, content, "claim.xlsx", *(of_month or OF_MONTH), by, NOW)

    def booked(self):
        with self.engine.connect() as connection:
            return [
                connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
                for table in ("claim", "claim_line", "claim_transition")
            ], connection.execute(text("SELECT * FROM document_sequence WHERE kind = 'claim'")).all()


def test_template__holds_what_may_be_claimed_and_uploaded_as_it_is_becomes_a_draft(desk):
    made = desk.template()
    assert (made.claimable, made.entered) == (2, 2)
    done = desk.upload(made.content)
    assert (done.number, done.already, done.lines, done.findings) == ("CLM-H1-2025-000001", False, 2, ())
    with desk.engine.connect() as connection:
        kept = connection.execute(
            text("SELECT line, work, quantity_milli, supply_krw, vat_krw, state FROM claim_line"
                 " JOIN claim ON claim.id = claim_id ORDER BY work")
        ).all()  # fmt: skip
    assert kept == [("L11", "w1", 10_000, 123_450, 12_345, "draft"), ("L11", "w2", 3_000, 37_035, 3_703, "draft")]
    assert desk.template().claimable == 0


def test_template__of_the_same_works_is_byte_identical_and_blank_when_asked(desk):
    assert desk.template().content == desk.template().content
    blank = desk.template(blank=True)
    assert (blank.claimable, blank.entered) == (2, 0)
    with pytest.raises(BadInput, match="적힌 작업이 없습니다"):
        desk.upload(blank.content)


def test_upload__the_same_claim_again_says_so_and_makes_no_second_one(desk):
    content = set_to(K9="재검수분")(desk.template().content)
    first, again = desk.upload(content), desk.upload(content)
    resaved = desk.upload(edited(content, lambda book: None), by="h1-2")
    assert (first.already, again.already, resaved.already) == (False, True, True)
    assert first.number == again.number == resaved.number
    assert desk.booked()[0] == [1, 2, 0]


def test_upload__after_the_claim_was_withdrawn_is_a_new_claim(desk):
    content = desk.template().content
    first = desk.upload(content)
    with desk.engine.begin() as connection:
        withdraw(connection, first.number, "", "h1-1", NOW)
    second = desk.upload(content)
    assert (second.number, second.already) == ("CLM-H1-2025-000002", False)


def test_upload__part_of_the_works_leaves_the_rest_for_another_claim(desk):
    content = desk.template().content
    desk.upload(set_to(**{f"{column}9": None for column in "BCDEFGHIK"})(content))
    done = desk.upload(content)
    assert [str(one) for one in done.findings] == [
        "청구내역!B10 작업번호: 이미 CLM-H1-2025-000001 에 청구한 작업입니다. (claimed already in CLM-H1-2025-000001)"
    ]
    assert desk.template().claimable == 1


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("w3", "아직 검수되지 않은 작업입니다."),
        ("w4", "검수에서 반려된 작업입니다."),
        ("x1", "이 병원의 작업이 아닙니다."),
        ("w2/b-w2", "2025-12-02 에 검수된 작업이라 2025-11 청구에 넣을 수 없습니다."),
        ("w99", "인정된 작업 목록에 없는 작업번호 'w99'입니다."),
    ],
)
def test_upload__says_why_another_work_may_not_be_claimed(desk, asked, why):
    done = desk.upload(set_to(B9=asked)(desk.template().content))
    assert [(one.cell, one.korean) for one in done.findings] == [("B9", why)]
    assert desk.booked() == ([0, 0, 0], [])


def test_upload__two_bad_cells_come_back_marked_and_corrected_become_a_claim(desk):
    done = desk.upload(set_to(F9=11, E10="2025-11-31")(desk.template().content))
    assert [one.cell for one in done.findings] == ["F9", "E10"]
    with desk.engine.connect() as connection:
        right = claimable(connection, *OF_MONTH)
    corrected = set_to(F9=10, E10=right[1].performed_on)(done.marked)
    assert desk.upload(corrected).number == "CLM-H1-2025-000001"


def test_upload__is_for_one_hospital_programme_and_month_and_by_its_own_user(desk):
    content = desk.template().content
    for of_month, wrong in ((("V25", "H2", NOVEMBER), "H1 의 양식"), (("V25", "H1", NOVEMBER + 1), "2025-11 의 양식")):
        with pytest.raises(BadInput, match=wrong):
            desk.upload(content, *of_month, by="admin-1")
    users = {"h2-1": "H1 의 사용자가 아닙니다", "finance-1": "역할로는", "nobody": "사용자가 아닙니다"}
    for user, wrong in users.items():
        with pytest.raises(RuleRefused, match=wrong):
            desk.upload(content, by=user)
    assert desk.booked() == ([0, 0, 0], [])


def test_upload__none_of_the_bad_files_books_anything(desk):
    good = desk.template().content
    for bad in FILES:
        with pytest.raises(BadInput, match=r"^claim\.xlsx: "):
            desk.upload(bad.made(good))
    assert desk.booked() == ([0, 0, 0], [])


def test_upload__a_bad_cell_books_nothing_and_comes_back_marked(desk):
    good = desk.template().content
    for bad in CELLS[::5]:
        done = desk.upload(bad.made(good))
        assert (done.number, done.marked[:2]) == ("", b"PK"), bad.name
        assert bad.cell in {one.cell for one in done.findings}, bad.name
    assert desk.booked() == ([0, 0, 0], [])


def test_upload__at_once_by_two_users_makes_one_claim(desk):
    content = desk.template().content
    with desk.engine.begin() as first, desk.engine.begin() as second:
        done = upload_claim(first, content, "claim.xlsx", *OF_MONTH, "h1-1", NOW)
        second.execute(text("SET LOCAL lock_timeout = '200ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            upload_claim(second, content, "claim.xlsx", *OF_MONTH, "h1-2", NOW)
    again = desk.upload(content, by="h1-2")
    assert (again.number, again.already) == (done.number, True)


def test_commands__template_two_bad_cells_corrected_claimed_and_uploaded_again(works, tmp_path):
    asked = ("--programme", "V25", "--hospital", "H1", "--month", "2025-11")
    form, bad = tmp_path / "form.xlsx", tmp_path / "claim.xlsx"
    made = works.call("claims", "template", *asked, "--out", form)
    assert made == {"out": str(form), "claimable": 2, "entered": 2}
    bad.write_bytes(set_to(F9=11, E10="2025-11-31")(form.read_bytes()))
    refused = works.call("claims", "upload", bad, *asked, "--by", "h1-1", exit_code=2)
    assert refused["messages"][0] == "claim.xlsx: 청구내역!F9 수량: 검수 수량은 10건입니다. (10 accepted)"
    assert [one["cell"] for one in refused["findings"]] == ["F9", "E10"]
    marked = tmp_path / "claim_확인결과.xlsx"
    assert refused["marked"] == str(marked)
    corrected = set_to(F9=10, E10=date(2025, 11, 10))(marked.read_bytes())
    bad.write_bytes(corrected)
    done = works.call("claims", "upload", bad, *asked, "--by", "h1-1", now=NOW.isoformat())
    assert done == {"number": "CLM-H1-2025-000001", "state": "draft", "lines": 2, "already": False}
    again = works.call("claims", "upload", bad, *asked, "--by", "h1-1", now=NOW.isoformat())
    assert again == {"number": "CLM-H1-2025-000001", "state": "draft", "lines": 2, "already": True}
    assert works.call("claims", "template", *asked, "--out", form, "--blank")["claimable"] == 0


def test_commands__say_what_is_wrong_with_a_file_or_a_user(works, tmp_path):
    asked = ("--programme", "V25", "--hospital", "H1", "--month", "2025-11")
    (tmp_path / "claim.csv").write_text("작업번호,수량\n")
    refused = works.call("claims", "upload", tmp_path / "claim.csv", *asked, "--by", "h1-1", exit_code=2)
    assert refused["messages"][0].startswith("claim.csv: CSV 같은 글 파일입니다.")
    works.call("claims", "upload", tmp_path / "missing.xlsx", *asked, "--by", "h1-1", exit_code=2)
    works.call("claims", "upload", tmp_path / "claim.csv", *asked, "--by", "h2-1", exit_code=3)
    works.call("claims", "template", *asked, "--out", tmp_path / "no" / "form.xlsx", exit_code=2)


def test_commands__text_says_how_to_claim_more_than_200_works(works, tmp_path):
    works.ingest(*(one for n in range(205) for one in work(f"m{n}", "L11", 1)), now="2025-12-02T10:00:00+09:00")
    asked = ("--programme", "V25", "--hospital", "H1", "--month", "2025-11", "--out", str(tmp_path / "form.xlsx"))
    said = CliRunner().invoke(main, ["claims", "template", *asked]).stdout
    assert "207건 가운데 200건" in said
    assert "양식을 다시 받으면 나머지가" in said
    done = works.call("claims", "upload", tmp_path / "form.xlsx", *asked[:6], "--by", "h1-1", now=NOW.isoformat())
    assert done["lines"] == 200
    assert works.call("claims", "template", *asked)["claimable"] == 7

"""The pages of hospital claims: who may open which, a claim from draft to decision, uploads good and hostile."""

import re
import zipfile
from base64 import b64decode
from io import BytesIO

import openpyxl
import pytest
from sqlalchemy import func, select

from billing.claim_form import FIRST_ROW
from billing.claim_models import Claim, ClaimedLine, ClaimEvidence, ClaimTransition
from core.database import dispose_engines
from core.settings import Settings
from portal.app import create_app
from registry.sign_in import see_own_rows
from tests.driven import work
from tests.visiting import Visitor, add_users, portal

NUMBER = "CLM-H1-2025-000001"
OTHERS = "CLM-H2-2025-000001"
PDF = b"%PDF-1.7\n%evidence\n"
SHEET = "/claims/template.xlsx?programme=V25&month=2025-11"
PLACE = {"programme": "V25", "month": "2025-11"}


@pytest.fixture
def delivered(world, loaded, settings):
    """Two works of H1 in P1 and one of H2, accepted in November; the portal in December."""
    world.ingest(*work("w1", "L11", 10), *work("w2", "L11", 5), *work("x1", "L12", 7), now="2025-12-02T09:00:00+09:00")
    add_users(loaded)
    return portal(settings)


@pytest.fixture
def claimed(delivered):
    """The same with a claim of each hospital, not submitted."""
    for name, works in (("h01", ["L11/w1", "L11/w2"]), ("h02", ["L12/x1"])):
        done = Visitor(delivered, name).post("/claims/new", {**PLACE, "work": works})
        assert done.status_code == 302, done.text
    return delivered


def upload(visitor, content, name="청구.xlsx", path="/claims/upload", **form):
    return visitor.post(path, {**PLACE, **form, "file": (BytesIO(content), name)})


def filled(visitor, **cells):
    """The template as a hospital fills it in: the cells changed."""
    book = openpyxl.load_workbook(BytesIO(visitor.get(SHEET).data))
    for address, value in cells.items():
        book["청구내역"][address] = value
    saved = BytesIO()
    book.save(saved)
    return saved.getvalue()


ROLES = ("", "c01", "h01", "h02", "op1", "finance-1", "auditor-1", "admin-1")
TABLE = {
    ("GET", "/"): (302, 302, 302, 302, 302, 302, 302, 302),
    ("GET", "/invoices"): (302, 200, 403, 403, 200, 200, 200, 200),
    ("GET", "/claims"): (302, 403, 200, 200, 403, 200, 200, 200),
    ("GET", "/claims?state=submitted"): (302, 403, 200, 200, 403, 200, 200, 200),
    ("GET", f"/claims/{NUMBER}"): (302, 403, 200, 404, 403, 200, 200, 200),
    ("GET", f"/claims/{NUMBER}/evidence/1"): (302, 403, 404, 404, 403, 404, 404, 404),
    ("GET", "/claims/CLM-H1-2025-000077"): (302, 403, 404, 404, 403, 404, 404, 404),
    ("GET", "/claims/nonsense"): (302, 403, 404, 404, 403, 404, 404, 404),
    ("GET", "/claims/new"): (302, 403, 200, 200, 403, 403, 403, 403),
    ("GET", SHEET): (302, 403, 200, 200, 403, 403, 403, 403),
    ("POST", "/claims/new"): (302, 403, 400, 400, 403, 403, 403, 403),
    ("POST", "/claims/upload"): (302, 403, 400, 400, 403, 403, 403, 403),
    ("POST", f"/claims/{NUMBER}/decide"): (302, 403, 403, 403, 403, 409, 403, 409),
    ("POST", f"/claims/{NUMBER}/resolve"): (302, 403, 403, 403, 403, 400, 403, 400),
    ("POST", f"/claims/{NUMBER}/dispute"): (302, 403, 400, 400, 403, 403, 403, 403),
    ("POST", f"/claims/{NUMBER}/evidence"): (302, 403, 400, 400, 403, 403, 403, 403),
    ("POST", f"/claims/{OTHERS}/submit"): (302, 403, 404, 302, 403, 403, 403, 403),
    ("POST", f"/claims/{OTHERS}/withdraw"): (302, 403, 404, 302, 403, 403, 403, 403),
    ("GET", "/nowhere"): (404,) * 8,
}  # fmt: skip


def test_pages__each_answers_its_roles_and_shows_nobody_anothers(claimed):
    visitors = [Visitor(claimed, name or None) for name in ROLES]
    for (method, path), expected in TABLE.items():
        found = tuple((one.get if method == "GET" else one.post)(path).status_code for one in visitors)
        assert (method, path, found) == (method, path, expected)


def test_rows__of_another_hospitals_claim_are_not_there_for_any_sql(claimed, loaded):
    upload(Visitor(claimed, "h01"), PDF, "a.pdf", f"/claims/{NUMBER}/evidence")
    Visitor(claimed, "h01").post(f"/claims/{NUMBER}/submit")
    counts = {}
    for party in ("H1", "H2", "C1", "OP", None):
        with loaded.begin() as connection:
            if party:
                see_own_rows(connection, party)
            counts[party] = tuple(
                connection.scalar(select(func.count()).select_from(table))
                for table in (Claim, ClaimedLine, ClaimTransition, ClaimEvidence)
            )
    assert counts == {"H1": (1, 2, 1, 1), "H2": (1, 1, 0, 0), "C1": (0,) * 4, "OP": (2, 3, 1, 1), None: (2, 3, 1, 1)}


def test_forms__none_of_them_acts_without_its_token(claimed):
    paths = [path for method, path in TABLE if method == "POST"]
    for name in ("h01", "finance-1"):
        visitor = Visitor(claimed, name)
        for path in paths:
            done = visitor.client.post(path, data={"csrf_token": "x"}, base_url="https://portal.example")
            assert (path, done.status_code) == (path, 400)


def test_claim__goes_from_accepted_work_over_a_refused_line_and_a_dispute_to_approval(claimed):
    hospital, finance = Visitor(claimed, "h01"), Visitor(claimed, "finance-1")
    page = hospital.get(f"/claims/{NUMBER}").text
    assert re.search(r'청구 합계 \(원\)</dt><dd class="large">203,692<', page)  # 15 × 12,345 and the VAT of each line
    assert upload(hospital, PDF, "증빙.pdf", f"/claims/{NUMBER}/evidence").status_code == 302
    assert hospital.post(f"/claims/{NUMBER}/submit").status_code == 302
    assert NUMBER in finance.get("/claims?state=submitted").text
    assert OTHERS not in finance.get("/claims?state=submitted").text
    shown = finance.get(f"/claims/{NUMBER}").text
    kept = finance.get(re.search(rf"/claims/{NUMBER}/evidence/\d+", shown)[0])
    assert (kept.data, kept.headers["Content-Type"]) == (PDF, "application/pdf")
    assert kept.headers["Content-Disposition"].startswith("attachment; ")
    refusing = {"do": "approve", "refuse L11/w1": " ", "refuse L11/w2": "수량 확인"}
    asked = finance.post(f"/claims/{NUMBER}/decide", refusing)
    assert (asked.status_code, "명세 2건 가운데 1건을 거절" in asked.text) == (200, True)
    assert "심사 기한" in hospital.get(f"/claims/{NUMBER}").text
    assert finance.post(f"/claims/{NUMBER}/decide", {**refusing, "sure": "1"}).status_code == 302
    page = hospital.get(f"/claims/{NUMBER}").text
    assert all(one in page for one in ("일부 승인", "수량 확인", "이의신청"))
    again = finance.post(f"/claims/{NUMBER}/decide", {"do": "approve"})
    assert (again.status_code, "제출" in again.text) == (409, True)
    disputed = {"work": "L11/w2", "reason": "검수서를 붙입니다"}
    assert hospital.post(f"/claims/{NUMBER}/dispute", disputed).status_code == 302
    corrected = {"do": "corrected", "work": "L11/w2", "reason": "확인함"}
    assert finance.post(f"/claims/{NUMBER}/resolve", corrected).status_code == 302
    page = hospital.get(f"/claims/{NUMBER}").text
    assert all(one in page for one in ("승인", "이의 인정", "203,692"))


def test_claim__is_rejected_as_a_whole_with_a_reason_only(claimed):
    hospital, finance = Visitor(claimed, "h01"), Visitor(claimed, "finance-1")
    hospital.post(f"/claims/{NUMBER}/submit")
    assert finance.post(f"/claims/{NUMBER}/decide", {"do": "reject", "reason": " "}).status_code == 400
    assert (
        finance.post(f"/claims/{NUMBER}/decide", {"do": "reject", "reason": "서류 미비", "sure": "1"}).status_code
        == 302
    )
    page = hospital.get(f"/claims/{NUMBER}").text
    assert all(one in page for one in ("반려", "서류 미비"))


def test_claim__withdrawn_its_works_may_be_claimed_again(claimed):
    hospital = Visitor(claimed, "h01")
    assert "L11/w1" not in hospital.get("/claims/new?month=2025-11").text
    hospital.post(f"/claims/{NUMBER}/withdraw", {"reason": "다시 작성"})
    assert "L11/w1" in hospital.get("/claims/new?month=2025-11").text


def test_upload__two_bad_cells_come_back_marked_and_corrected_it_is_a_claim(delivered):
    hospital = Visitor(delivered, "h01")
    bad = upload(hospital, filled(hospital, **{f"F{FIRST_ROW}": 11, f"H{FIRST_ROW + 1}": 1}))
    assert bad.status_code == 400
    assert re.findall(r"<li><b>(\w+)</b>", bad.text) == [f"F{FIRST_ROW}", f"H{FIRST_ROW + 1}"]
    assert hospital.get("/claims").text.count("CLM-") == 0
    marked = b64decode(re.search(r"base64,([^\"]+)", bad.text)[1])
    sheet = openpyxl.load_workbook(BytesIO(marked))["청구내역"]
    assert [sheet[f"F{FIRST_ROW}"].value, sheet[f"H{FIRST_ROW + 1}"].value] == [11, 1]
    good = filled(hospital)
    done = upload(hospital, good)
    assert done.headers["Location"] == f"/claims/{NUMBER}"
    assert upload(hospital, good).headers["Location"] == f"/claims/{NUMBER}"
    assert "이미 올린 파일입니다" in hospital.get(f"/claims/{NUMBER}").text


def zipped(**parts):
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_upload__hostile_files_get_a_page_that_says_so_and_nothing_is_taken(delivered):
    hospital = Visitor(delivered, "h01")
    whole = hospital.get(SHEET).data
    files = {
        "empty.xlsx": b"", "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "list.csv": b"a,b\n1,2\n",
        "picture.xlsx": b"\x89PNG\r\n\x1a\n" + bytes(50), "cut.xlsx": whole[: len(whole) // 2],
        "bomb.xlsx": zipped(bomb=bytes(200 << 20)), "other.xlsx": zipped(**{"word/document.xml": "<a/>"}),
        "<script>alert(1)</script>.xlsx": b"PK\x03\x04", "../../etc/passwd": b"root", "large.xlsx": bytes(10_500_000),
    }  # fmt: skip
    for name, content in files.items():
        done = upload(hospital, content, name)
        assert (name, done.status_code) == (name, 400)
        assert 'role="alert"' in done.text
        assert "<script" not in done.text
    too_large = upload(hospital, bytes(12 << 20))
    assert (too_large.status_code, "10 MB" in too_large.text) == (413, True)
    assert "CLM-" not in hospital.get("/claims").text


def test_upload__the_sheet_of_another_month_programme_or_hospital_is_refused(delivered):
    hospital = Visitor(delivered, "h01")
    assert upload(hospital, filled(Visitor(delivered, "h02"))).status_code == 400
    assert upload(hospital, filled(hospital), month="2025-12").status_code == 400
    assert upload(hospital, filled(hospital), programme="X26").status_code == 409
    assert upload(hospital, filled(hospital), month="2025-13").status_code == 400


def test_evidence__what_is_no_pdf_or_picture_is_refused(claimed):
    hospital = Visitor(claimed, "h01")
    for content, name in ((b"MZ\x90", "증빙.pdf"), (b"", "a.pdf"), (b"<svg onload=alert(1)>", "a.svg")):
        assert upload(hospital, content, name, f"/claims/{NUMBER}/evidence").status_code == 400
    assert upload(hospital, PDF, "a.pdf", f"/claims/{OTHERS}/evidence").status_code == 404


def test_text__of_a_party_is_shown_as_text(claimed):
    hospital, finance = Visitor(claimed, "h01"), Visitor(claimed, "finance-1")
    hospital.post(f"/claims/{NUMBER}/submit")
    finance.post(f"/claims/{NUMBER}/decide", {"do": "reject", "reason": '<img src=x onerror="alert(1)">', "sure": "1"})
    page = hospital.get(f"/claims/{NUMBER}").text
    assert "&lt;img src=x onerror=" in page
    assert "<img" not in page


def test_pages__are_said_in_english_too(claimed):
    hospital = Visitor(claimed, "h01")
    hospital.post("/language", {"lang": "en"})
    for path, title in (("/claims", "Claims"), (f"/claims/{NUMBER}", "Claim"), ("/claims/new", "New claim")):
        assert re.search(rf"<h1>{title}", hospital.get(path).text), path


def test_database_away__a_signed_in_user_is_told_so():
    gone = Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", secret_key="k" * 32)
    assert Visitor(create_app(gone), "h01").get("/claims").status_code == 503
    dispose_engines()


def test_nul__in_a_query_or_a_form_is_refused_and_books_nothing(claimed, engine):
    hospital, finance = Visitor(claimed, "h01"), Visitor(claimed, "finance-1")
    hospital.post(f"/claims/{NUMBER}/submit")
    reject = {"do": "reject", "reason": "a\0b", "sure": "1"}
    assert hospital.get("/claims/CLM-%00-2025-000001").status_code == 404
    answers = [
        hospital.get("/claims/new?programme=V25%00"),
        finance.get("/invoices?programme=%00"),
        hospital.post(f"/claims/{NUMBER}/withdraw", {"reason": "a\0b"}),
        finance.post(f"/claims/{NUMBER}/decide", reject),
        finance.post(f"/claims/{NUMBER}/decide", {"do": "approve", "refuse L11/w1": "a\0b", "sure": "1"}),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert "쓸 수 없는 글자(NUL)를 빼세요" in answer.text
    with engine.connect() as connection:
        assert connection.scalar(select(Claim.state).order_by(Claim.id).limit(1)) == "submitted"

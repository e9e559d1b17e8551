"""The portal in a real browser, wide and on a phone: signing in, an invoice, an upload with bad cells."""

import shutil
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from billing.claim_form import FIRST_ROW
from tests.driven import CLOSE, World, work
from tests.integration.conftest import loaded, registry_file, world
from tests.running import running
from tests.visiting import PASSWORD, add_users, portal

__all__ = ["loaded", "registry_file", "world"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = ((390, 844), (820, 1180), (1440, 900))  # a phone, a tablet, a desk
INVOICE, CLAIM = "INV-OP-2025-000001", "CLM-H1-2025-000001"
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium missing: sudo apt-get install -y --no-install-recommends chromium fonts-nanum"
)


@pytest.fixture
def site(world: World, loaded, settings):
    """The address of the portal, served over http on this machine as `make serve` does: November is run."""
    world.pay("bank,deposit:P1,10000000", now="2025-11-02T09:00:00+09:00")
    world.ingest(*work("w1", "L11", 100), *work("w2", "L11", 40), now=CLOSE["2025-11"])
    world.run("2025-11")
    add_users(loaded, "c01", "h01", "finance-1", password=PASSWORD)
    with running(make_server("127.0.0.1", 0, portal(settings), threaded=True)) as address:
        yield address


@pytest.fixture
def page():
    """A page of a browser of its own; what its console says is kept in `page.said`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(locale="ko-KR").new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        yield page
        browser.close()


def sign_in(page: Page, site: str, name: str) -> None:
    page.goto(site)
    page.get_by_label("사용자 이름").fill(name)
    page.get_by_label("비밀번호").fill(PASSWORD)
    page.get_by_role("button", name="로그인").click()


def looked_at(page: Page, name: str, shots: Path) -> None:
    """Neither on a desk nor on a tablet or phone does the page scroll sideways; a picture of each is kept."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=shots / f"{name}_{width}.png", full_page=True)


@needs_browser
def test_portal__an_invoice_is_read_and_a_claim_made_on_a_desk_and_on_a_phone(site, page, tmp_path):
    page.goto(site)
    looked_at(page, "sign_in", tmp_path)
    sign_in(page, site, "c01")
    expect(page.get_by_role("heading", level=1)).to_have_text("청구서")
    looked_at(page, "invoices", tmp_path)
    page.get_by_role("link", name=INVOICE).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(INVOICE)
    expect(page.locator("main")).to_contain_text("과제 하나")
    looked_at(page, "invoice", tmp_path)
    page.get_by_role("button", name="로그아웃").click()
    expect(page.get_by_role("status")).to_contain_text("로그아웃")

    sign_in(page, site, "h01")
    page.get_by_role("link", name="청구 작성").first.click()
    looked_at(page, "claim_new", tmp_path)
    with page.expect_download() as filled:
        page.get_by_role("link", name="양식 받기 (내역 채움)").click()
    book = openpyxl.load_workbook(BytesIO(filled.value.path().read_bytes()))
    book["청구내역"][f"F{FIRST_ROW}"] = 99
    saved = BytesIO()
    book.save(saved)
    page.get_by_label("채운 양식").set_input_files(
        {"name": "청구내역.xlsx", "mimeType": "application/octet-stream", "buffer": saved.getvalue()}
    )
    page.get_by_role("button", name="올리기").click()
    expect(page.get_by_role("alert")).to_contain_text(f"F{FIRST_ROW}")
    looked_at(page, "claim_upload", tmp_path)
    with page.expect_download() as marked:
        page.get_by_role("link", name="오류 표시된 엑셀 받기").click()
    assert openpyxl.load_workbook(BytesIO(marked.value.path().read_bytes()))["청구내역"][f"F{FIRST_ROW}"].value == 99
    page.get_by_role("button", name="고른 작업으로 청구 작성").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(CLAIM)
    page.get_by_role("button", name="제출").click()
    expect(page.get_by_role("status")).to_contain_text("제출했습니다")
    looked_at(page, "claim", tmp_path)
    page.get_by_role("button", name="로그아웃").click()

    sign_in(page, site, "finance-1")
    expect(page.get_by_role("heading", level=1)).to_have_text("청구 심사")
    looked_at(page, "claims", tmp_path)
    page.get_by_role("link", name=CLAIM).click()
    page.get_by_label("L11/w2: 거절 사유").fill("수량 확인")
    looked_at(page, "claim_decide", tmp_path)
    page.get_by_role("button", name="승인").click()
    looked_at(page, "claim_confirm", tmp_path)
    page.get_by_role("button", name="확인").click()
    expect(page.locator("h1")).to_contain_text("일부 승인")
    page.get_by_role("button", name="English").click()
    expect(page.locator("h1")).to_contain_text("Partly approved")
    looked_at(page, "claim_english", tmp_path)
    # the refused upload is answered 400, which Chromium notes
    assert [one for one in page.said if "400 (BAD REQUEST)" not in one] == []

"""The small programme with tax documents of every kind, for the tests of what becomes of them."""

from io import BytesIO
from pathlib import Path

from openpyxl import load_workbook
from sqlalchemy import text

from tests.driven import H2_PRICES, World, work
from tests.events import gpu

NOVEMBER, DECEMBER = "2025-11", "2025-12"
PROGRAMME = ("--programme", "V25")
TAX_REASON = """tax_reason = [
  { category = "basic", reason = "부가가치세법 제26조" }, { category = "abroad", reason = "부가가치세법 제21조" },
]
"""
LINES = """line = [
  { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 },
  { code = "L22", supplier = "H1", category = "basic", grant_limit_krw = 10_000_000 },
  { code = "L23", supplier = "H1", category = "abroad", grant_limit_krw = 10_000_000 },
]
"""
PAYEE = 'payee = { name = "둘째재단", brn = "109-81-12710" }'
USERS = (
    "INSERT INTO user_account (name, role, party, created_at) VALUES ('finance-1', 'finance', NULL, now()),"
    " ('h01', 'hospital', 'H1', now()), ('h02', 'hospital', 'H2', now()), ('c2', 'company', 'C2', now())"
)


def described(name: str, brn: str, code: str, more: str = "") -> str:
    return (
        f'name = "{name}"\nbrn = "{brn}"\nrepresentative = "대표자 {code}"\naddress = "서울특별시"\n{more}\n'
        f'business_type = "서비스"\nbusiness_item = "데이터"\nemail = "tax@{code.lower()}.example.kr"'
    )


COMPLETE = (
    ('name = "운영기관"', described("운영기관", "103-84-37577", "OP")),
    ('name = "나래"', described("나래", "105-86-95956", "C2")),
    ('name = "첫째병원"\nbrn = "124-81-00998"', described("첫째병원", "124-81-00998", "H1")),
    ('name = "둘째병원"', described("둘째병원", "108-89-33528", "H2", PAYEE)),
)
TAXES = (
    ('settlement_closes_on = 2026-03-31\n', 'settlement_closes_on = 2026-03-31\n' + TAX_REASON),
    ('  { code = "consulting"', '  { code = "basic", name = "기초자료", tax = "exempt" },\n'
     '  { code = "abroad", name = "국외 제공", tax = "zero" },\n  { code = "consulting"'),
    ('line = [ { code = "L21", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 } ]\n', LINES),
)  # fmt: skip


def tax_world(jeongsan, registry_file, engine, folder) -> World:
    """P2 of the small programme with a taxable, an exempt and a zero-rated line, its parties complete; users there."""
    jeongsan("load", registry_file(*COMPLETE, *TAXES, more=H2_PRICES), now="2025-09-15T09:00:00+09:00")
    with engine.begin() as connection:
        connection.execute(text(USERS))
    return World(jeongsan, folder)


def november(world) -> None:
    """14 records of H2 at 1,357; 10 exempt and 10 zero-rated studies of H1 at 12,345; an hour of an H100; locked."""
    world.ingest(
        *work("w1", "L21", 4, project="P2"), *work("w2", "L21", 10, project="P2"),
        *work("w3", "L22", 10, project="P2"), *work("w4", "L23", 10, project="P2"), gpu("g1", project="P2"),
        now="2025-12-02T00:00:00Z",
    )  # fmt: skip
    world.run(NOVEMBER)


def december(world, *events) -> None:
    world.ingest(*events, now="2026-01-04T00:00:00Z")
    world.run(DECEMBER)


def listed(world, month=NOVEMBER, now="2025-12-05T00:00:00Z") -> dict:
    return {one["number"]: one for one in world.call("tax", "list", month, *PROGRAMME, now=now)["documents"]}


def export(world, out, month=NOVEMBER, now="2025-12-05T00:00:00Z", **expecting) -> dict:
    return world.call("tax", "export", month, *PROGRAMME, "--out", out, now=now, **expecting)


def numbered(world, path: Path, *rows: tuple[str, str], **expecting) -> dict:
    path.write_text("승인번호,비고,발급일자\n" + "".join(f"{number},{note},2025-12-05\n" for number, note in rows))
    return world.call("tax", "import", path, now="2025-12-06T00:00:00Z", **expecting)


def approval(number: int) -> str:
    return f"20251205-41000000-{number:08d}"


def rows_of(path: str) -> list[tuple]:
    sheet = load_workbook(BytesIO(Path(path).read_bytes())).active
    return [row for row in sheet.iter_rows(min_row=7, values_only=True) if row[0] is not None]

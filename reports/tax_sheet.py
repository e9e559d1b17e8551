"""The tax office's bulk-issue sheet (domain.md §8): which position holds what. The one place that knows its layout.

The positions are facts that could not be checked against the tax office; docs/tax.md says what to compare.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from billing.tax_document import REASONS, TaxForm, TaxItem
from core.month import kst_midnight
from reports.workbook import Book

FIRST_ROW = 7
MOST_DOCUMENTS = 100
TITLES = {"tax_invoice": "세금계산서", "invoice_exempt": "계산서"}
CLAIMED = "02"

Value = str | int | Decimal | None
Position = tuple[str, str, Callable[[TaxForm], Value]]


def _party(of: str, letters: Sequence[str], *, second_email: bool) -> list[Position]:
    titles = ("등록번호", "종사업장번호", "상호", "성명", "사업장주소", "업태", "종목", "이메일")
    fields = ("brn", "", "name", "representative", "address", "business_type", "business_item", "email")
    name = {"supplier": "공급자", "recipient": "공급받는자"}[of]
    found: list[Position] = [
        (letter, f"{name} {title}", _party_field(of, field))
        for letter, title, field in zip(letters, titles, fields, strict=False)
    ]
    return [*found, (letters[-1], f"{name} 이메일2", _nothing)] if second_email else found


def _party_field(of: str, field: str) -> Callable[[TaxForm], Value]:
    def value(form: TaxForm) -> Value:
        found = getattr(getattr(form, of), field) if field else None
        return found.replace("-", "") if field == "brn" else found

    return value


def _nothing(_form: TaxForm) -> Value:
    return None


def _kind(form: TaxForm) -> Value:
    return "02" if form.tax == "zero" else "01"


def _vat(form: TaxForm, vat_krw: int) -> Value:
    """A 계산서 has no tax."""
    return None if form.kind == "invoice_exempt" else vat_krw


def _note(form: TaxForm) -> Value:
    """Our number, by which the tax office's is found; why it is not taxable; what is modified and why."""
    parts = [form.number, form.tax_reason]
    if form.original is not None:
        original = form.original.approval_number or form.original.number
        parts.append(f"수정 {form.reason} {REASONS[form.reason]} 당초 {original} {form.original.written_on:%Y%m%d}")
    return " / ".join(one for one in parts if one)


def _item(number: int, letters: Sequence[str]) -> list[Position]:
    fields: tuple[tuple[str, Callable[[TaxForm, TaxItem], Value]], ...] = (
        ("일자", lambda _, item: f"{item.day.day:02d}"),
        ("품목", lambda _, item: item.name),
        ("규격", lambda _, item: item.spec or None),
        ("수량", lambda _, item: item.quantity),
        ("단가", lambda _, item: item.unit_price_krw),
        ("공급가액", lambda _, item: item.supply_krw),
        ("세액", lambda form, item: _vat(form, item.vat_krw)),
        ("품목비고", lambda _, item: item.note or None),
    )
    return [
        (letter, f"{title}{number}", _item_field(number, value))
        for letter, (title, value) in zip(letters, fields, strict=True)
    ]


def _item_field(number: int, value: Callable[[TaxForm, TaxItem], Value]) -> Callable[[TaxForm], Value]:
    return lambda form: value(form, form.items[number - 1]) if number <= len(form.items) else None


LAYOUT: tuple[Position, ...] = (
    ("A", "종류 (01 일반, 02 영세율)", _kind),
    ("B", "작성일자", lambda form: f"{form.written_on:%Y%m%d}"),
    *_party("supplier", ("C", "D", "E", "F", "G", "H", "I", "J"), second_email=False),
    *_party("recipient", ("K", "L", "M", "N", "O", "P", "Q", "R", "S"), second_email=True),
    ("T", "공급가액", lambda form: form.supply_krw),
    ("U", "세액", lambda form: _vat(form, form.vat_krw)),
    ("V", "비고", _note),
    *_item(1, ("W", "X", "Y", "Z", "AA", "AB", "AC", "AD")),
    *_item(2, ("AE", "AF", "AG", "AH", "AI", "AJ", "AK", "AL")),
    *_item(3, ("AM", "AN", "AO", "AP", "AQ", "AR", "AS", "AT")),
    *_item(4, ("AU", "AV", "AW", "AX", "AY", "AZ", "BA", "BB")),
    ("BC", "현금", _nothing),
    ("BD", "수표", _nothing),
    ("BE", "어음", _nothing),
    ("BF", "외상미수금", lambda form: form.supply_krw + form.vat_krw),
    ("BG", "01 영수, 02 청구", lambda _form: CLAIMED),
)
WIDTHS = {"상호": 26, "사업장주소": 34, "업태": 18, "종목": 26, "이메일": 28, "비고": 74, "품목": 22, "규격": 26,
          "품목비고": 26}  # fmt: skip
GUIDE = (
    "작성일자·등록번호·코드는 문자, 금액·수량·단가는 숫자입니다. 자료는 7행부터이고 열의 자리로 읽습니다.",
    "비고의 문서번호로 승인번호를 되찾습니다(jeongsan tax import). 지우거나 고치지 마세요.",
    "열의 자리는 국세청 양식과 대조하지 못했습니다. 처음 올리기 전에 docs/tax.md 의 표와 비교하세요.",
)


def sheet_values(form: TaxForm) -> list[Value]:
    """The 59 values of a document's row, A to BG."""
    return [value(form) for _, _, value in LAYOUT]


def tax_workbook(forms: Sequence[TaxForm]) -> bytes:
    """One file of at most 100 documents of one kind and month: the same bytes whenever it is made."""
    if len(forms) > MOST_DOCUMENTS or len({one.kind for one in forms}) != 1:
        raise ValueError("a file holds 1 to 100 documents of one kind")
    title = TITLES[forms[0].kind]
    book = Book(f"{title} 일괄발급", kst_midnight(forms[0].month.last))
    widths = [WIDTHS.get(name.split(" ")[-1].rstrip("1234"), 15) for _, name, _ in LAYOUT]
    sheet = book.sheet(title, widths, footer=f"{title} {forms[0].month}", freeze=f"A{FIRST_ROW}")
    plain, code, header = sheet.style("number"), sheet.style("code"), sheet.style("header")
    sheet.row([(sheet.style("section"), f"{title} 일괄발급 {forms[0].month}")])
    for line in GUIDE:
        sheet.row([(plain, line)])
    sheet.row([(code, letter) for letter, _, _ in LAYOUT])
    sheet.row([(header, name) for _, name, _ in LAYOUT], height=32)
    for form in forms:
        sheet.row([(code, value) for value in sheet_values(form)])
    return book.content()

"""What another spreadsheet program makes of the workbooks: LibreOffice recalculates every check anew."""

import shutil
import subprocess
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import load_workbook

from tests.statement_files import every_workbook, files
from tests.worked import needs_case

requires_soffice = pytest.mark.skipif(
    not shutil.which("soffice"), reason="soffice (LibreOffice) is not installed: checks are not recalculated elsewhere"
)
pytestmark = [needs_case, requires_soffice]
__all__ = ["files"]


def without_stored_zeros(content: bytes) -> bytes:
    """The workbook as if nothing had ever been calculated."""
    source, target = ZipFile(BytesIO(content)), BytesIO()
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name).replace(b"</f><v>0</v>", b"</f>"))
    return target.getvalue()


def test_checks__recalculated_by_libreoffice_are_all_zero(files, tmp_path):
    formulas = {}
    for number, (name, content) in enumerate(every_workbook(files)):
        path = tmp_path / f"{number}.xlsx"
        path.write_bytes(without_stored_zeros(content))
        formulas[path.name] = name, load_workbook(BytesIO(content))
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx",
               "--outdir", str(tmp_path / "out"), *(str(tmp_path / one) for one in formulas)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    count = 0
    for file, (name, book) in formulas.items():
        values = load_workbook(tmp_path / "out" / file, data_only=True)
        for sheet in book:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.data_type == "f":
                        assert values[sheet.title][cell.coordinate].value == 0, (
                            f"{name} {sheet.title}!{cell.coordinate}"
                        )
                        count += 1
    assert count > 300

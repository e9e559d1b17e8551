"""The published workbooks of the worked case's two months, run once for all tests that read them."""

import pytest
from sqlalchemy import text

from tests.worked import PROGRAMME, run
from tests.worked import prepare as take_in

NOVEMBER, DECEMBER = "2025-11", "2025-12"
cached: dict[str, dict[str, bytes]] = {}


@pytest.fixture
def files(request) -> dict[str, dict[str, bytes]]:
    """Published workbooks by month and by `title_party`; the two months are run once for all tests."""
    if not cached:
        jeongsan, engine = request.getfixturevalue("jeongsan"), request.getfixturevalue("engine")
        take_in(jeongsan, DECEMBER)
        run(jeongsan, DECEMBER)
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT month, name, content FROM published_file ORDER BY name")).all()
        for row in rows:
            short = row.name.removeprefix(f"{PROGRAMME}_{row.month:%Y-%m}_").removesuffix(".xlsx")
            cached.setdefault(f"{row.month:%Y-%m}", {})[short] = bytes(row.content)
    return cached


def every_workbook(files):
    for month, by_name in files.items():
        for name, content in by_name.items():
            yield f"{month}/{name}", content

"""The house rules that no test of one package can hold: floors, doors, exact numbers, settings and documents."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MONEY = ("core", "ledger", "registry", "metering", "billing", "settlement", "closing")
PACKAGES = (*MONEY, "reports", "portal", "demo")
DOORS = {
    "flask": {"portal", "wsgi.py"},
    "kafka": {f"metering/kafka_{name}.py" for name in ("client", "topics", "producer", "consumer", "dead_letters")},
    "openpyxl": {"reports/workbook.py", "billing/claim_sheet.py"},
    "prometheus_client": {"metering/metrics.py"},
}
DOCUMENTS = [path for path in ROOT.rglob("*.md") if not {".venv", "build", ".pytest_cache"} & set(path.parts)]


def sources(packages=PACKAGES):
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_floors__imports_point_down_only():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("library", DOORS)
def test_doors__a_library_enters_by_its_named_doors_only(library):
    places = {path.relative_to(ROOT) for path in (*sources(), ROOT / "wsgi.py") if library in imported(path)}
    assert {place for place in places if not {str(place), place.parts[0]} & DOORS[library]} == set()


def test_doors__stripe_enters_by_one_billing_module():
    places = [path.relative_to(ROOT) for path in sources() if "stripe" in imported(path)]
    assert len(places) <= 1
    assert all(place.parts[0] == "billing" for place in places)


def test_kafka__the_folder_does_not_hide_the_client_library():
    assert not list((ROOT / "kafka").rglob("*.py"))
    found = "import kafka; print(kafka.__file__, hasattr(kafka, 'KafkaConsumer'))"
    done = subprocess.run([sys.executable, "-c", found], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("True")
    assert str(ROOT / "kafka") not in done.stdout.split()[0]


@pytest.mark.parametrize("path", sources(MONEY), ids=lambda path: str(path.relative_to(ROOT)))
def test_money__no_float_near_it(path):
    found = floats_in(path.read_text())
    assert found == [], f"{path.relative_to(ROOT)}: lines {found}"


def floats_in(source):
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Attribute) and node.attr in {"float64", "astype"})
    ]


def test_money__the_float_guard_speaks():
    assert floats_in("amount = 1.5\nother = float(x)\ndef f(a: float): ...\nround(numpy.float64(1))") == [1, 2, 3, 4]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files__none_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def setting_names():
    return re.findall(r'environment\.get\("([A-Z_]+)"', (ROOT / "core" / "settings.py").read_text())


def test_settings__every_one_stands_in_the_readme():
    names = setting_names()
    assert len(names) >= 5
    readme = (ROOT / "README.md").read_text()
    assert [name for name in names if f"| `{name}`" not in readme] == []


def test_settings__are_read_in_one_place():
    readers = [
        path.relative_to(ROOT)
        for path in sources((*MONEY, "reports", "portal"))
        if re.search(r"getenv|environ(\.get|\[)", path.read_text())
    ]
    assert readers == []


@pytest.mark.parametrize("package", [*MONEY, "reports", "portal", "kafka", "bench", "demo"])
def test_packages__each_says_what_it_owns(package):
    text = (ROOT / package / "README.md").read_text()
    assert 3 <= len(text.splitlines()) <= 80


def test_libraries__each_that_is_imported_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    known = {re.match(r"[\w-]+", one)[0] for one in declared} | {"werkzeug"}  # Flask's own lower half
    places = {
        library: {one.lower().replace("_", "-") for one in names} for library, names in packages_distributions().items()
    }
    imports = {library for path in (*sources(), *(ROOT / "migrations").rglob("*.py")) for library in imported(path)}
    outside = imports - set(sys.stdlib_module_names) - {*PACKAGES, "migrations", "tests"}
    assert {library for library in outside if not known & places.get(library, set())} == set()


def test_packages__an_installed_copy_has_every_module_page_and_table():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {path for name in told["packages"] for path in (ROOT / name.replace(".", "/")).glob("*.py")}
    for name, patterns in told["package-data"].items():
        packed |= {path for pattern in patterns for path in (ROOT / name.replace(".", "/")).glob(pattern)}
    there = {path for name in (*PACKAGES, "migrations") for path in (ROOT / name).rglob("*") if path.is_file()}
    assert {path for path in there - packed if path.suffix not in (".md", ".pyc")} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents__every_file_and_test_they_name_is_there(path):
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [link for link in links if not (path.parent / link).exists()]
    tests = re.findall(r"`((?:tests|docs|core|demo|bench)/[\w/]+\.\w+)(?:::(\w+))?`", text)
    missing += [name for name, _ in tests if not (ROOT / name).exists()]
    missing += [f"{name}::{test}" for name, test in tests if test and f"def {test}" not in (ROOT / name).read_text()]
    assert missing == []


def test_glossary__one_term_one_class_and_each_is_there():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([\w.]+)`", (ROOT / "docs" / "glossary.md").read_text(), re.M)
    assert len(rows) >= 30
    for column in range(3):
        named = [row[column].strip() for row in rows]
        assert sorted(named) == sorted(set(named)), "a term or a class stands there twice"
    for _, _, place in rows:
        module, _, name = place.rpartition(".")
        assert hasattr(importlib.import_module(module), name), place

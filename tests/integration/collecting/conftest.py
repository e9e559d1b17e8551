"""A database with an invoice of 117,647,059 won for Stripe to collect, copied for each test; and test servers."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from werkzeug.serving import make_server

from billing.stripe_client import StripeClient
from core import database
from core.settings import Settings
from portal.app import create_app
from portal.cli import main
from tests.conftest import ROOT, database_settings
from tests.driven import work
from tests.integration.conftest import REGISTRY
from tests.running import running
from tests.stripe_standin import StandIn, serving
from tests.stripe_webhooks import SECRET, body_of, signature

numbers = count(1)
LOADED, CLOSED, AT = "2025-09-15T09:00:00+09:00", "2025-12-03T00:00:00Z", 1_764_720_000
# 470,588,236 won of supply at 15 %: self-pay 70,588,236 and VAT 47,058,823, together 117,647,059 (domain.md §5).
CHANGES = (
    ("platform_fee = { rate_bp = 500 }\n", ""),
    ("incentive = { share_bp = 4000 }\n", ""),
    ('closes = "2025-12"\n', ""),
    ('self_pay_mode = "deposit"\ndeposit_krw = 10_000_000', 'self_pay_mode = "arrears"'),
    ("grant_limit_krw = 250_000_000 },\n", "grant_limit_krw = 400_000_000 },\n"),
    ('  { code = "L12", supplier = "H2", category = "processing", grant_limit_krw = 150_000_000 },\n', ""),
    ("unit_price_krw = 12_345", "unit_price_krw = 470_588_236"),
)


def registry() -> str:
    """The registry of the integration tests with P1 in arrears, to the won as in domain.md §5."""
    text = REGISTRY
    for old, new in CHANGES:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.fixture(scope="session")
def invoiced(server, admin, template, tmp_path_factory):
    """The name of a database in which November is settled: INV-OP-2025-000001 over 117,647,059 won."""
    name, folder = f"invoiced_{os.getpid()}", tmp_path_factory.mktemp("invoiced")
    (folder / "registry.toml").write_text(registry())
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in work("w1", "L11", 1)))
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY WAL_LOG")
    made = database_settings(server, name)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", made.database_url)
        for command in (
            ["load", folder / "registry.toml", "--now", LOADED],
            ["ingest", folder / "events.jsonl", "--now", CLOSED],
            ["month", "run", "2025-11", "--programme", "V25", "--now", CLOSED],
        ):
            done = CliRunner().invoke(main, [*map(str, command), "--json"])
            assert done.exit_code == 0, done.output
    with database.owner_engine(made).begin() as connection:
        connection.execute(
            text("INSERT INTO user_account (name, role, created_at) VALUES ('finance-1', 'finance', now())")
        )
    database.dispose_engines()
    yield name
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(server, admin, invoiced, monkeypatch):
    """Settings of a copy of it; the environment says the same."""
    name = f"test_{os.getpid()}_stripe_{next(numbers)}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {invoiced} STRATEGY WAL_LOG")
    made = database_settings(server, name)
    monkeypatch.setenv("DATABASE_URL", made.database_url)
    monkeypatch.setenv("SECRET_KEY", "a secret of the tests")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_123")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRET)
    yield made
    database.dispose_engines()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def standin(settings, monkeypatch):
    """The stand-in for Stripe; the environment names its address."""
    stripe = StandIn()
    with serving(stripe) as address:
        monkeypatch.setenv("STRIPE_API_BASE", address)
        yield stripe


@pytest.fixture
def client(standin):
    """Our client of the stand-in."""
    return StripeClient(Settings.from_environment())


@pytest.fixture
def send(settings):
    """Sends a webhook to the application: send(event, at=…, header=…, body=…) → its answer."""
    app = create_app(Settings.from_environment(), clock=lambda: datetime.fromtimestamp(AT, UTC))

    def sending(event=None, *, at=AT, header=None, body=None, method="POST"):
        data = body_of(event) if body is None else body
        signed = {"Stripe-Signature": signature(data, at) if header is None else header}
        return app.test_client().open("/stripe/webhook", method=method, data=data, headers=signed)

    return sending


@pytest.fixture
def books(jeongsan):
    """The money accounts and their balances."""

    def read() -> dict[str, int]:
        return {code: krw for code, krw in jeongsan("balances").items() if not code.startswith("budget:")}

    return read


def application(settings: Settings):
    """The address of the application, served over HTTP while the block lasts."""
    return running(make_server("127.0.0.1", 0, create_app(settings), threaded=True))


@pytest.fixture
def localstripe(settings, monkeypatch):
    """The address of localstripe, a process of its own."""
    command = [sys.executable, "-m", "tests.localstripe_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        monkeypatch.setenv("STRIPE_API_BASE", address)
        yield address
        process.terminate()

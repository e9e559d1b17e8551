"""Signing in to the portal: sessions, forms, headers, and what a stranger, a wrong password and a user who left get."""

import re
from datetime import timedelta

import pytest

from core import database
from core.settings import Settings
from portal.app import create_app
from portal.menu import MAY
from portal.web import local_path
from registry import sign_in
from tests.conftest import ROOT
from tests.visiting import HERE, PASSWORD, add_users, portal


@pytest.fixture
def app(loaded, settings):
    """The application over the small programme, and a user with a password."""
    add_users(loaded, "c01", password=PASSWORD)
    return portal(settings)


def token(client, path="/sign-in"):
    """The form's token, as the page shows it."""
    page = client.get(path, base_url=HERE).text
    return re.search(r'name="csrf_token" value="([^"]+)"', page)[1]


def sign(client, name="c01", password=PASSWORD, **form):
    sent = {"csrf_token": token(client), "name": name, "password": password, **form}
    return client.post("/sign-in", data=sent, base_url=HERE, headers={"Referer": HERE + "/sign-in"})


def send(client, path, **form):
    sent = {"csrf_token": token(client, "/nowhere"), **form}
    return client.post(path, data=sent, base_url=HERE, headers={"Referer": HERE})


def test_sign_in__a_user_comes_to_the_first_page_of_his_role(app):
    client = app.test_client()
    first = client.get("/", base_url=HERE)
    assert first.headers["Location"] == "/sign-in?next=/"
    done = sign(client)
    assert (done.status_code, done.headers["Location"]) == (302, "/")
    assert client.get("/", base_url=HERE).headers["Location"] == "/invoices"
    cookie = done.headers["Set-Cookie"]
    assert all(one in cookie for one in ("Secure", "HttpOnly", "SameSite=Lax"))


def test_sign_in__a_wrong_password_and_an_unknown_name_are_told_alike(app):
    for name, password in (("c01", "wrong password!"), ("nobody", PASSWORD), ("c01\x00", "x"), ("", "")):
        done = sign(app.test_client(), name, password)
        assert (name, done.status_code) == (name, 401)
        assert "이름이나 비밀번호가 맞지 않습니다" in done.text


def test_sign_in__too_many_failures_wait(app, monkeypatch):
    monkeypatch.setattr(sign_in.passwords, "matches", lambda kept, password: False)
    client = app.test_client()
    assert [sign(client).status_code for _ in range(6)] == [401] * 5 + [429]


def test_forms__without_the_sessions_own_token_do_nothing(app):
    client = app.test_client()
    sign(client)
    for path in ("/sign-in", "/sign-out", "/language"):
        for form in ({}, {"csrf_token": "x"}, {"csrf_token": "IjEi.aaaa.bbbb"}):
            done = client.post(path, data={"name": "c01", "password": PASSWORD, **form}, base_url=HERE)
            assert (path, form, done.status_code) == (path, form, 400)
            assert "양식이 유효하지 않습니다" in done.text
    assert client.get("/", base_url=HERE).headers["Location"] == "/invoices"


def test_sign_in__goes_on_within_this_site_only(app):
    assert sign(app.test_client(), next="/invoices?x=1").headers["Location"] == "/invoices?x=1"
    with app.test_request_context():
        for wanted in ("//evil.example/a", "https://evil.example", "/\\evil.example", "\\\\evil.example", "evil",
                       "/\tevil", "javascript:alert(1)", "///evil.example", "", None):  # fmt: skip
            assert (wanted, local_path(wanted)) == (wanted, "/")


def test_sign_out__ends_the_session_and_every_copy_of_its_cookie(app):
    client = app.test_client()
    sign(client)
    copied = client.get_cookie("session", domain="portal.example").value
    assert send(client, "/sign-out").headers["Location"] == "/sign-in"
    other = app.test_client()
    other.set_cookie("session", copied, domain="portal.example")
    for one in (client, other):
        assert one.get("/invoices", base_url=HERE).headers["Location"].startswith("/sign-in")
    assert client.get("/sign-out", base_url=HERE).status_code == 405


def test_disabled__is_signed_out_at_the_next_request(app, jeongsan):
    client = app.test_client()
    sign(client)
    jeongsan("user", "disable", "c01")
    assert client.get("/", base_url=HERE).headers["Location"].startswith("/sign-in")


def test_session__ends_after_thirty_minutes(app):
    assert app.config["PERMANENT_SESSION_LIFETIME"] == timedelta(minutes=30)
    client = app.test_client()
    sign(client)
    app.config["PERMANENT_SESSION_LIFETIME"] = timedelta(seconds=-1)
    assert client.get("/", base_url=HERE).headers["Location"].startswith("/sign-in")


def test_session__a_cookie_of_another_key_is_nobodys(app):
    client, forged = app.test_client(), create_app(Settings(secret_key="z" * 32)).test_client()
    with forged.session_transaction(base_url=HERE) as session:
        session["_user_id"] = "0 c01"
    client.set_cookie("session", forged.get_cookie("session", domain="portal.example").value, domain="portal.example")
    assert client.get("/", base_url=HERE).headers["Location"].startswith("/sign-in")


def test_language__is_kept_in_the_account(app):
    client = app.test_client()
    assert "로그인" in client.get("/sign-in", base_url=HERE).text
    sign(client)
    assert send(client, "/language", lang="en", next="//evil.example").headers["Location"] == "/"
    send(client, "/sign-out")
    again = app.test_client()
    sign(again)
    assert '<html lang="en">' in again.get("/nowhere", base_url=HERE).text


def test_headers__stand_on_every_answer(app):
    for path in ("/health", "/sign-in", "/nowhere", "/static/app.css"):
        answer = app.test_client().get(path, base_url=HERE, buffered=True)
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert (answer.headers["Cache-Control"] == "no-store") == (path != "/static/app.css")


def test_pages__hold_no_inline_script_or_style():
    for path in sorted((ROOT / "portal" / "templates").glob("*.html")):
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|\|\s*safe", path.read_text()), path.name


def test_pages__each_names_the_roles_that_may_open_it(app):
    named = {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint not in ("static", "health")}
    assert {one for one in named if not one.startswith("stripe")} == set(MAY)


def test_no_secret_key__sign_in_says_what_to_do(settings):
    client = create_app(Settings(database_url=settings.database_url)).test_client()
    for answer in (client.get("/"), client.get("/sign-in"), client.post("/sign-in"), client.get("/nowhere")):
        assert answer.status_code == 503
        assert "SECRET_KEY" in answer.text
    assert client.get("/health").status_code == 200


def test_database_away__a_page_says_so_and_an_unknown_page_too():
    gone = Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", secret_key="k" * 32)
    client = create_app(gone).test_client()
    done = sign(client)
    assert (done.status_code, "데이터베이스" in done.text) == (503, True)
    with client.session_transaction(base_url=HERE) as session:
        session["_user_id"] = "0 c01"
    assert client.get("/invoices", base_url=HERE).status_code == 503
    database.dispose_engines()


def test_fault__of_ours_shows_a_number_and_no_traceback(app, monkeypatch, caplog):
    monkeypatch.setattr("portal.pages.account.signing.sign_in", lambda *_: 1 / 0)
    done = sign(app.test_client())
    number = re.search(r"요청 번호 ([0-9a-f]{8})", done.text)[1]
    assert done.status_code == 500
    assert "ZeroDivisionError" not in done.text
    assert "ZeroDivisionError" in caplog.text
    assert number in caplog.text

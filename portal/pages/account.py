"""Signing in and out, the language, and the first page of a role."""

from flask import flash, g, redirect, render_template, request, session, url_for
from flask_login import login_user, logout_user

from portal.menu import MENU
from portal.web import Visitor, engine, local_path, now, pages, say, user
from registry import sign_in as signing

blueprint = pages("account")


@blueprint.get("/")
def home():
    """To the first page of the user's menu."""
    first = MENU[user().role][0]
    return redirect(url_for(first.endpoint, state=first.state))


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in():
    """Name and password; a wrong one, an unknown one and a disabled one are told alike."""
    wanted = request.values.get("next")
    if g.user:
        return redirect(local_path(wanted))
    if request.method == "GET":
        return render_template("sign_in.html", next=wanted, problem=None)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        found = signing.sign_in(engine(), name, password, request.remote_addr or "", now())
    except signing.TooManyAttempts:
        problem = say("로그인 시도가 너무 많습니다. 15분 뒤에 다시 하세요.", "Too many attempts. Wait for 15 minutes.")
        return render_template("sign_in.html", next=wanted, problem=problem), 429
    if found is None:
        problem = say("이름이나 비밀번호가 맞지 않습니다.", "The name or the password is not right.")
        return render_template("sign_in.html", next=wanted, problem=problem), 401
    session.clear()
    session.permanent = True
    session["lang"] = found.lang
    login_user(Visitor(account=found))
    return redirect(local_path(wanted))


@blueprint.post("/sign-out")
def sign_out():
    """Ends every session of the user."""
    with engine().begin() as connection:
        signing.sign_out(connection, user().name)
    language = session.get("lang")
    logout_user()
    session.clear()
    session["lang"] = language
    flash(say("로그아웃했습니다.", "You are signed out."))
    return redirect(url_for("account.sign_in"))


@blueprint.post("/language")
def language():
    """The language of the pages: kept in the account, before signing in for the session."""
    session["lang"] = "en" if request.form.get("lang") == "en" else "ko"
    if g.user:
        with engine().begin() as connection:
            signing.set_language(connection, g.user.name, session["lang"])
    return redirect(local_path(request.form.get("next")))

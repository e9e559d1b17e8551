"""What the application answers when something is wrong, and the headers of every answer."""

import logging
import secrets

from flask import Flask, Response, current_app, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError
from werkzeug.exceptions import HTTPException

from core.errors import JeongsanError, RuleRefused, ServerUnreachable
from portal.command import rule_of
from portal.web import say

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def register(app: Flask) -> None:
    """Every error becomes a page that says what and what next, with a number that stands in the log; no traceback."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(JeongsanError, _ours)
    app.register_error_handler(DBAPIError, _database)
    app.register_error_handler(Exception, _unforeseen)
    app.after_request(_with_headers)


def page(status: int, title: str, *problems: str, fault: Exception | None = None) -> tuple[str, int]:
    """The page of an error; `fault`: one of ours, whose traceback the log has."""
    number = secrets.token_hex(4)
    level = logging.ERROR if status >= 500 else logging.INFO
    current_app.logger.log(level, "%s %s: %s, request %s", request.method, request.path, status, number, exc_info=fault)
    return render_template("error.html", title=title, problems=problems, number=number), status


def _http(error: HTTPException) -> tuple[str, int] | Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    titles = {
        400: (say("요청을 읽을 수 없습니다", "The request cannot be read"), say("다시 해 보세요.", "Try again.")),
        403: (say("볼 수 없는 화면입니다", "This page is not for your role"),
              say("권한이 필요하면 관리자에게 문의하세요.", "Ask an administrator if you need it.")),
        404: (say("없는 화면입니다", "No such page"),
              say("주소를 확인하거나 메뉴에서 다시 찾으세요.", "Check the address, or find it from the menu.")),
        405: (say("이 주소로는 보낼 수 없습니다", "Nothing is sent to this address"),
              say("화면의 단추를 쓰세요.", "Use the page's buttons.")),
        413: (say("보낸 것이 너무 큽니다", "What was sent is too large"),
              say("파일은 10 MB까지 올릴 수 있습니다.", "A file has at most 10 MB.")),
    }  # fmt: skip
    return page(error.code, *titles.get(error.code, (error.name, "")))


def _expired(error: CSRFError) -> tuple[str, int]:
    """A form without the session's own token: sent from another site, or the session has ended meanwhile."""
    return page(
        400,
        say("보낸 양식이 유효하지 않습니다", "The form is not valid any more"),
        say("로그인한 지 30분이 지났을 수 있습니다. 화면을 다시 열고 보내세요.",
            "The session may have ended after 30 minutes. Open the page again and send it anew."),
    )  # fmt: skip


def _ours(error: JeongsanError) -> tuple[str, int]:
    if isinstance(error, ServerUnreachable):
        return page(503, say("지금은 처리할 수 없습니다", "Not possible at the moment"),
                    say("데이터베이스에 연결할 수 없습니다. 잠시 뒤에 다시 하세요.",
                        "The database cannot be reached. Try again in a while."), fault=error)  # fmt: skip
    if isinstance(error, RuleRefused):
        return page(
            409, say("규칙에 맞지 않아 처리하지 않았습니다", "A rule refuses this; nothing was done"), *_lines(error)
        )
    return page(400, say("입력을 확인해 주세요", "Please check what was entered"), *_lines(error))


def _lines(error: JeongsanError) -> list[str]:
    return str(error).splitlines()


def _database(error: DBAPIError) -> tuple[str, int]:
    if isinstance(error, OperationalError):
        return _ours(ServerUnreachable(str(error.orig)))
    try:
        return _ours(rule_of(error, error.orig))
    except DBAPIError:
        return _unforeseen(error)


def _unforeseen(error: Exception) -> tuple[str, int]:
    """A fault of ours: the log has the traceback under the page's number."""
    next_step = say(
        "다시 해 보고, 되풀이되면 아래 번호를 알려 주세요.", "Try again; if it goes on, tell us this number."
    )
    return page(500, say("처리하지 못했습니다", "Something went wrong"), next_step, fault=error)


def _with_headers(response: Response) -> Response:
    """Nothing from elsewhere runs or frames a page; a page is not kept by anybody; https stays https."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response

"""Where Stripe sends its events: POST /stripe/webhook, verified by its signature; no sign-in and no form token."""

import logging

from flask import Blueprint, current_app, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from billing.stripe_intake import LARGEST_BODY_BYTES, receive
from core.database import service_engine
from core.errors import BadInput, ServerUnreachable

blueprint = Blueprint("stripe", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/stripe/webhook")
def webhook():
    """200 with what became of the event, also for one that is only listed; 400 for what is not Stripe's or no event,
    413 for more than 256 KiB, 503 where it cannot be taken now, so that Stripe sends it again."""
    settings = current_app.config["SETTINGS"]
    if not settings.stripe_webhook_secret:
        return _refused("STRIPE_WEBHOOK_SECRET가 없습니다 (STRIPE_WEBHOOK_SECRET is not set).", 503)
    request.max_content_length = LARGEST_BODY_BYTES
    try:
        taken = receive(
            service_engine(settings), request.get_data(cache=False), request.headers.get("Stripe-Signature", ""),
            secrets=[one.strip() for one in settings.stripe_webhook_secret.split(",")], live=settings.stripe_live,
            now=current_app.config["CLOCK"](),
        )  # fmt: skip
    except RequestEntityTooLarge:
        return _refused(f"{LARGEST_BODY_BYTES} 바이트를 넘습니다 (the body is too large).", 413)
    except BadInput as error:
        return _refused(str(error), 400)
    except ServerUnreachable as error:  # which server and user is for the log, and nothing for a stranger
        log.error("stripe webhook: %s", error)
        return _refused("지금은 받을 수 없습니다. 다시 보내 주세요 (not possible at the moment; send it again).", 503)
    return jsonify(outcome=taken.outcome, reason=taken.reason)


def _refused(problem: str, status: int):
    """Nothing of what was sent is kept or logged: who sent it is not known."""
    log.warning("stripe webhook %s: %s", status, problem)
    return jsonify(error=problem), status

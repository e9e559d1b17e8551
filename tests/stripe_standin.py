"""A stand-in for Stripe over HTTP where the other test servers stop: it honours idempotency keys, takes fees, pays out
in won, refuses refunds above the charge, and can do what it is asked without answering."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from tests.running import running


class Refusal(Exception):
    """An error of Stripe's: status and type."""

    def __init__(self, status: int, kind: str, message: str):
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class StandIn:
    """What Stripe holds; `requests` is every request as it came: (method, path, parameters, idempotency key)."""

    def __init__(self, at: int = 1_764_720_000):
        self.objects, self.answers, self.requests, self.numbers, self.at = {}, {}, [], count(1), at
        self.silent = 0  # how many requests are done without an answer
        self.lock = threading.Lock()

    def add(self, kind: str, prefix: str, **values) -> dict:
        number = next(self.numbers)
        made = {"id": f"{prefix}_{number}", "object": kind, "created": self.at + number, "livemode": False, **values}
        self.objects[made["id"]] = made
        return made

    def event(self, kind: str, about: dict, **changed) -> dict:
        return self.add("event", "evt", type=kind, data={"object": {**about, **changed}}, api_version="2026-01-01")

    def move(self, kind: str, source: str, amount: int, fee: int = 0) -> dict:
        return self.add("balance_transaction", "txn", type=kind, source=source, amount=amount, fee=fee, currency="krw",
                        net=amount - fee, payout=None)  # fmt: skip

    def pay(self, intent: str, fee: int = 0) -> dict:
        """The company pays an intent: charge, movement of the balance, event."""
        paid = self.objects[intent]
        charge = self.add("charge", "ch", amount=paid["amount"], currency="krw", payment_intent=intent)
        paid |= {"status": "succeeded", "amount_received": paid["amount"], "latest_charge": charge["id"]}
        self.move("charge", charge["id"], paid["amount"], fee)
        return self.event("payment_intent.succeeded", paid)

    def give_back(self, intent: str, amount: int, metadata: dict | None = None) -> dict:
        """A refund, as one makes it in Stripe's own pages too."""
        charge = self.objects[intent]["latest_charge"]
        gone = sum(one["amount"] for one in self.all("refund") if one["payment_intent"] == intent)
        if gone + amount > self.objects[intent]["amount"]:
            raise Refusal(400, "invalid_request_error", "Refund amount is greater than unrefunded amount on charge")
        made = self.add("refund", "re", amount=amount, currency="krw", status="succeeded", payment_intent=intent,
                        charge=charge, metadata=metadata or {}, reason=None)  # fmt: skip
        self.move("refund", made["id"], -amount)
        self.event("refund.created", made)
        return made

    def pay_out(self, status: str = "paid") -> dict:
        """Everything not paid out yet goes to the bank."""
        items = [one for one in self.all("balance_transaction") if one["payout"] is None]
        amount = sum(one["net"] for one in items)
        made = self.add("payout", "po", amount=amount, currency="krw", status=status, automatic=True,
                        arrival_date=self.at + 86_400)  # fmt: skip
        for one in [*items, self.move("payout", made["id"], -amount)]:
            one["payout"] = made["id"]
        self.event("payout.paid", made)
        return made

    def all(self, kind: str) -> list[dict]:
        return [one for one in self.objects.values() if one["object"] == kind]

    def answer(self, method: str, path: list[str], asked: dict, key: str | None) -> dict:
        if method == "POST" and key:
            before = self.answers.setdefault(key, (asked, None))
            if before[0] != asked:
                raise Refusal(400, "idempotency_error", "Keys for idempotent requests can only be used with the same")
            if before[1] is None:
                self.answers[key] = (asked, self.do(path, asked))
            return self.answers[key][1]
        return self.do(path, asked) if method == "POST" else self.read(path, asked)

    def do(self, path: list[str], asked: dict) -> dict:
        metadata = {name[9:-1]: value for name, value in asked.items() if name.startswith("metadata[")}
        match path:
            case ["payment_intents"]:
                return self.add("payment_intent", "pi", amount=int(asked["amount"]), currency=asked["currency"],
                                status="requires_payment_method", amount_received=0, latest_charge=None,
                                metadata=metadata)  # fmt: skip
            case ["payment_intents", name, "cancel"]:
                if self.objects[name]["status"] in ("succeeded", "canceled"):
                    raise Refusal(400, "invalid_request_error", "You cannot cancel this PaymentIntent")
                self.objects[name]["status"] = "canceled"
                return self.objects[name]
            case ["refunds"]:
                return self.give_back(asked["payment_intent"], int(asked["amount"]), metadata)
        raise Refusal(404, "invalid_request_error", "Unrecognized request URL")

    def read(self, path: list[str], asked: dict) -> dict:
        if len(path) == 2:
            if path[1] not in self.objects:
                raise Refusal(404, "invalid_request_error", f"No such {path[0]}: {path[1]}")
            found = dict(self.objects[path[1]])
            if asked.get("expand[0]") == "latest_charge" and found.get("latest_charge"):
                found["latest_charge"] = self.objects[found["latest_charge"]]
            return found
        since, payout = int(asked.get("created[gte]", 0)), asked.get("payout")
        found = [one for one in self.all(path[0].removesuffix("s"))
                 if one["created"] >= since and payout in (None, one.get("payout"))][::-1]  # fmt: skip
        return {"object": "list", "url": f"/v1/{path[0]}", "has_more": False, "data": found}


def _handler(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.serve("GET", urlsplit(self.path).query)

        def do_POST(self):
            self.serve("POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

        def serve(self, method: str, query: str) -> None:
            path, asked = urlsplit(self.path).path.split("/")[2:], dict(parse_qsl(query))
            key = self.headers.get("Idempotency-Key")
            with standin.lock:
                standin.requests.append((method, "/".join(path), asked, key))
                try:
                    status, answer = 200, standin.answer(method, path, asked, key if "intents" in path[0] or
                                                         path[0] == "refunds" else None)  # fmt: skip
                except Refusal as refused:
                    status, answer = refused.status, {"error": {"type": refused.kind, "message": refused.message}}
                silent = standin.silent > 0
                standin.silent -= silent
            if silent:
                self.close_connection = True
                return
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Says nothing."""

    return Handler


def serving(standin: StandIn):
    """The address at which it answers, while the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(standin))
    server.daemon_threads = True
    return running(server)

"""Where the broker is and how to prove who calls, from the settings; one place for every client of Kafka."""

import logging
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MetadataEmptyBrokerList,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)

from core.errors import BadInput, RuleRefused, ServerUnreachable
from core.settings import Settings

REACH_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
BACKOFF_MAX_MS = 2_000
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
UNREACHABLE = (
    KafkaConnectionError, KafkaTimeoutError, MetadataEmptyBrokerList, RequestTimedOutError,
    SaslAuthenticationFailedError,
)  # fmt: skip
REFUSED = ("SaslAuthenticationFailedError", "socket disconnected")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", re.ASCII)


class _Reasons(logging.Handler):
    """Keeps why the client library could not connect: it says so in its log, tries again and ends in a timeout.

    A broker closes the connection of whom it refuses; the library does not always read the answer before that.
    """

    last, refusal = "", ""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Bootstrap connection"):
            self.last = message
            if any(sign in message for sign in REFUSED):
                self.refusal = message


_reasons = _Reasons(logging.WARNING)
logging.getLogger("kafka").addHandler(_reasons)


def client_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments that every client of kafka-python takes. Raises BadInput naming the variable that is wrong,
    ServerUnreachable when no broker is named and the development broker does not run."""
    protocol = settings.kafka_security_protocol
    if protocol not in PROTOCOLS:
        raise BadInput(_one_of("KAFKA_SECURITY_PROTOCOL", protocol, PROTOCOLS))
    arguments = {
        "bootstrap_servers": bootstrap(settings),
        "bootstrap_timeout_ms": REACH_TIMEOUT_MS,
        "reconnect_backoff_max_ms": BACKOFF_MAX_MS,
        "security_protocol": protocol,
    }
    if protocol.startswith("SASL"):
        arguments |= _sasl(settings)
    if protocol.endswith("SSL"):
        arguments["ssl_context"] = _ssl_context(settings)
    return arguments


def bootstrap(settings: Settings) -> list[str]:
    """The broker's addresses: KAFKA_BOOTSTRAP, else the development broker's."""
    if not settings.kafka_bootstrap:
        try:
            return [(settings.home / "kafka" / "bootstrap").read_text().strip()]
        except FileNotFoundError:
            raise ServerUnreachable(
                "브로커가 없습니다: KAFKA_BOOTSTRAP 을 정하거나 `kafka/broker start` 로 개발용 브로커를 띄우세요 "
                "(no broker: set KAFKA_BOOTSTRAP, or start the development broker)."
            ) from None
    addresses = [one.strip() for one in settings.kafka_bootstrap.split(",")]
    for one in addresses:
        found = _ADDRESS.fullmatch(one)
        if not found or not 0 < int(found[2]) < 65536:
            raise BadInput(
                f"KAFKA_BOOTSTRAP: '{one}': 호스트:포트 처럼 적고 여럿이면 쉼표로 나누세요 "
                "(write host:port, several with commas)."
            )
    return addresses


def _sasl(settings: Settings) -> dict[str, str]:
    if settings.kafka_sasl_mechanism not in MECHANISMS:
        raise BadInput(_one_of("KAFKA_SASL_MECHANISM", settings.kafka_sasl_mechanism, MECHANISMS))
    given = {
        "KAFKA_SASL_USERNAME": settings.kafka_sasl_username,
        "KAFKA_SASL_PASSWORD": settings.kafka_sasl_password,
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise BadInput(*(f"{name}: SASL 에는 값이 있어야 합니다 (SASL needs it)." for name in missing))
    return {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_sasl_username,
        "sasl_plain_password": settings.kafka_sasl_password,
    }


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    ca, certificate, key = settings.kafka_ssl_cafile, settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile
    if key and not certificate:
        raise BadInput("KAFKA_SSL_CERTFILE: 열쇠에는 인증서가 있어야 합니다 (the key needs its certificate).")
    variable, path = "KAFKA_SSL_CAFILE", ca
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if certificate:
            variable, path = "KAFKA_SSL_CERTFILE, KAFKA_SSL_KEYFILE", f"{certificate}, {key}"
            context.load_cert_chain(certificate, key or None, settings.kafka_ssl_password or "")
    except OSError as error:
        problem = f"{variable}: {path}: 읽을 수 있는 PEM 파일이 아닙니다 (not a PEM file that can be read): {error}"
        raise BadInput(problem) from None
    return context


def _one_of(variable: str, value: str, choices: tuple[str, ...]) -> str:
    return f"{variable}: '{value}': {' / '.join(choices)} 가운데 하나여야 합니다 (must be one of these)."


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """Turns what the client library raises about a broker into ServerUnreachable, BadInput (who we say we are) or
    RuleRefused (what we may not do)."""
    _reasons.last = _reasons.refusal = ""
    try:
        yield
    except AuthorizationError as error:
        raise RuleRefused(f"브로커가 허락하지 않습니다 (the broker does not allow it): {error}") from None
    except UNREACHABLE as error:
        signing_in = settings.kafka_security_protocol.startswith("SASL")
        if isinstance(error, SaslAuthenticationFailedError) or (signing_in and _reasons.refusal):
            problem = _reasons.refusal or error
            raise BadInput(
                f"KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: 브로커가 받지 않습니다 (the broker refuses them): {problem}"
            ) from None
        raise unreachable(settings, error) from None


def check_listening(settings: Settings) -> None:
    """Raises ServerUnreachable at once where nobody listens at any address, or not with a certificate that we trust;
    the client library would try for seconds."""
    arguments = client_arguments(settings)
    problem = OSError()
    for address in arguments["bootstrap_servers"]:
        try:
            knock(address, CONNECT_TIMEOUT_S, arguments.get("ssl_context"))
        except OSError as error:
            problem = error
        else:
            return
    raise unreachable(settings, problem)


def knock(address: str, timeout_s: int, context: ssl.SSLContext | None = None) -> None:
    """Connects to host:port and hangs up. Raises OSError where nobody listens, or not with a certificate we trust."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    with socket.create_connection((host, int(port)), timeout_s) as plain:
        if context:
            context.wrap_socket(plain, server_hostname=host).close()


def unreachable(settings: Settings, error: Exception) -> ServerUnreachable:
    """The error of a broker that does not answer, with what the client library last said of it."""
    where = ", ".join(bootstrap(settings))
    detail = _reasons.last if isinstance(error, KafkaTimeoutError) and _reasons.last else str(error)
    return ServerUnreachable(f"브로커 {where} 에 닿지 않습니다 (the broker cannot be reached): {detail}")


@contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administration client, closed afterwards; errors as `reached` turns them."""
    check_listening(settings)
    with reached(settings):
        client = KafkaAdminClient(client_id="jeongsan", **client_arguments(settings))
        try:
            yield client
        finally:
            client.close()

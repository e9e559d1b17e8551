"""Where the broker is and how to prove who calls, from the settings; one place for every client of Kafka."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
BACKOFF_MAX_MS = 2_000
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", re.ASCII)


class _LastReason(logging.Handler):
    """Keeps why the client library last failed to connect, for the message when a broker cannot be reached."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Bootstrap connection"):
            self.text = message


_reason = _LastReason(logging.WARNING)
logging.getLogger("kafka").addHandler(_reason)


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
        arguments |= _ssl(settings)
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


def _ssl(settings: Settings) -> dict[str, str]:
    files = {
        "ssl_cafile": settings.kafka_ssl_cafile,
        "ssl_certfile": settings.kafka_ssl_certfile,
        "ssl_keyfile": settings.kafka_ssl_keyfile,
    }
    missing = [
        f"KAFKA_{name.upper()}: {path}: 파일이 없습니다. 경로를 확인하세요 (no such file; check the path)."
        for name, path in files.items()
        if path and not Path(path).is_file()
    ]
    if settings.kafka_ssl_keyfile and not settings.kafka_ssl_certfile:
        missing.append("KAFKA_SSL_CERTFILE: 열쇠에는 인증서가 있어야 합니다 (the key needs its certificate).")
    if missing:
        raise BadInput(*missing)
    return {name: value for name, value in (*files.items(), ("ssl_password", settings.kafka_ssl_password)) if value}


def _one_of(variable: str, value: str, choices: tuple[str, ...]) -> str:
    return f"{variable}: '{value}': {' / '.join(choices)} 가운데 하나여야 합니다 (must be one of these)."


@contextmanager
def reached(settings: Settings) -> Iterator[None]:
    """Turns what the client library raises about a broker into ServerUnreachable, BadInput (who we say we are) or
    RuleRefused (what we may not do)."""
    try:
        yield
    except SaslAuthenticationFailedError as error:
        raise BadInput(
            f"KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: 브로커가 받지 않습니다 (the broker refuses them): {error}"
        ) from None
    except AuthorizationError as error:
        raise RuleRefused(f"브로커가 허락하지 않습니다 (the broker does not allow it): {error}") from None
    except (KafkaTimeoutError, KafkaConnectionError, MetadataEmptyBrokerList, RequestTimedOutError) as error:
        raise unreachable(settings, error) from None


def unreachable(settings: Settings, error: Exception) -> ServerUnreachable:
    """The error of a broker that does not answer, with what the client library last said of it."""
    where = ", ".join(bootstrap(settings))
    detail = f"{error}: {_reason.text}" if _reason.text else str(error)
    return ServerUnreachable(f"브로커 {where} 에 닿지 않습니다 (the broker cannot be reached): {detail}")


@contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administration client, closed afterwards; errors as `reached` turns them."""
    with reached(settings):
        client = KafkaAdminClient(client_id="jeongsan", **client_arguments(settings))
        try:
            yield client
        finally:
            client.close()

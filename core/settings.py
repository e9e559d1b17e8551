"""Every setting of the service, read from the environment in this one place (contract.md §2)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says. Empty: `database_url` the embedded PostgreSQL, `kafka_bootstrap` the development
    broker, both under `home`. Secrets stand in no repr, and so in no log and no traceback."""

    database_url: str = field(default="", repr=False)
    database_owner_url: str = field(default="", repr=False)
    home: Path = Path(".jeongsan")
    secret_key: str = field(default="", repr=False)
    log: str = "text"
    kafka_bootstrap: str = ""
    kafka_security_protocol: str = "PLAINTEXT"
    kafka_sasl_mechanism: str = ""
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = field(default="", repr=False)
    kafka_ssl_cafile: str = ""
    kafka_ssl_certfile: str = ""
    kafka_ssl_keyfile: str = ""
    kafka_ssl_password: str = field(default="", repr=False)
    stripe_api_key: str = field(default="", repr=False)
    stripe_api_base: str = ""
    stripe_webhook_secret: str = field(default="", repr=False)

    @property
    def stripe_live(self) -> bool:
        """Whether Stripe's key is for real money: what it calls live mode."""
        return self.stripe_api_key.startswith(("sk_live_", "rk_live_"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads the variables that README's table lists."""
        return cls(
            database_url=environment.get("DATABASE_URL", ""),
            database_owner_url=environment.get("DATABASE_OWNER_URL", ""),
            home=Path(environment.get("JEONGSAN_HOME") or ".jeongsan").absolute(),
            secret_key=environment.get("SECRET_KEY", ""),
            log=environment.get("JEONGSAN_LOG") or "text",
            kafka_bootstrap=environment.get("KAFKA_BOOTSTRAP", ""),
            kafka_security_protocol=environment.get("KAFKA_SECURITY_PROTOCOL") or "PLAINTEXT",
            kafka_sasl_mechanism=environment.get("KAFKA_SASL_MECHANISM", ""),
            kafka_sasl_username=environment.get("KAFKA_SASL_USERNAME", ""),
            kafka_sasl_password=environment.get("KAFKA_SASL_PASSWORD", ""),
            kafka_ssl_cafile=environment.get("KAFKA_SSL_CAFILE", ""),
            kafka_ssl_certfile=environment.get("KAFKA_SSL_CERTFILE", ""),
            kafka_ssl_keyfile=environment.get("KAFKA_SSL_KEYFILE", ""),
            kafka_ssl_password=environment.get("KAFKA_SSL_PASSWORD", ""),
            stripe_api_key=environment.get("STRIPE_API_KEY", ""),
            stripe_api_base=environment.get("STRIPE_API_BASE", ""),
            stripe_webhook_secret=environment.get("STRIPE_WEBHOOK_SECRET", ""),
        )

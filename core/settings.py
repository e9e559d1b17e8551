"""Every setting of the service, read from the environment in this one place (contract.md §2)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says. `database_url` empty: the embedded PostgreSQL under `home`."""

    database_url: str = ""
    database_owner_url: str = ""
    home: Path = Path(".jeongsan")
    secret_key: str = ""
    log: str = "text"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Reads DATABASE_URL, DATABASE_OWNER_URL, JEONGSAN_HOME, SECRET_KEY and JEONGSAN_LOG."""
        return cls(
            database_url=environment.get("DATABASE_URL", ""),
            database_owner_url=environment.get("DATABASE_OWNER_URL", ""),
            home=Path(environment.get("JEONGSAN_HOME") or ".jeongsan").absolute(),
            secret_key=environment.get("SECRET_KEY", ""),
            log=environment.get("JEONGSAN_LOG") or "text",
        )

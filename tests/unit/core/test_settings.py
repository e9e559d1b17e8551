"""Settings come from the environment alone, in one place."""

from pathlib import Path

from core.settings import Settings


def test_settings__nothing_set_means_the_embedded_server_in_this_folder():
    settings = Settings.from_environment({})
    assert (settings.database_url, settings.home, settings.log) == ("", Path(".jeongsan").absolute(), "text")


def test_settings__an_empty_home_counts_as_not_set():
    assert Settings.from_environment({"JEONGSAN_HOME": ""}).home == Path(".jeongsan").absolute()


def test_settings__each_is_read_from_its_variable():
    said = {
        "DATABASE_URL": "postgresql://service@db/jeongsan",
        "DATABASE_OWNER_URL": "postgresql://owner@db/jeongsan",
        "JEONGSAN_HOME": "/srv/jeongsan",
        "SECRET_KEY": "secret",
        "JEONGSAN_LOG": "json",
    }
    settings = Settings.from_environment(said)
    assert settings.database_url == said["DATABASE_URL"]
    assert settings.database_owner_url == said["DATABASE_OWNER_URL"]
    assert (settings.home, settings.secret_key, settings.log) == (Path("/srv/jeongsan"), "secret", "json")


def test_settings__show_no_secret_where_they_are_shown():
    names = ("database_url", "database_owner_url", "secret_key", "kafka_sasl_password", "kafka_ssl_password",
             "stripe_api_key", "stripe_webhook_secret")  # fmt: skip
    assert "hush" not in repr(Settings(**dict.fromkeys(names, "hush")))

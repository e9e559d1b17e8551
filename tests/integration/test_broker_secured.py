"""TLS and SASL by environment, against a real broker that takes nothing else."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

PASSWORD = "jeongsan-secret"
EXTRA = """
listener.security.protocol.map=PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="broker" password="{password}" user_broker="{password}" user_jeongsan="{password}";
ssl.keystore.type=PKCS12
ssl.keystore.location={home}/store.p12
ssl.keystore.password={password}
ssl.truststore.type=PKCS12
ssl.truststore.location={home}/trust.p12
ssl.truststore.password={password}
"""


def keytool(home, *arguments):
    done = ["keytool", *arguments, "-alias", "broker", "-storetype", "PKCS12", "-storepass", PASSWORD]
    subprocess.run(done, cwd=home, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def secured(broker, tmp_path_factory):
    """Address and folder of a broker with TLS and SASL/PLAIN; `broker` has looked for Java and fetched the jars."""
    home = tmp_path_factory.mktemp("secured")
    for name in ("kafka", "other"):
        (home / name).mkdir()
        keytool(home / name, "-genkeypair", "-keyalg", "EC", "-dname", f"CN={name}", "-ext", "SAN=ip:127.0.0.1",
                "-keystore", "store.p12")  # fmt: skip
        keytool(home / name, "-exportcert", "-rfc", "-file", "broker.pem", "-keystore", "store.p12")
    keytool(home / "kafka", "-importcert", "-noprompt", "-file", "broker.pem", "-keystore", "trust.p12")
    (home / "kafka" / "extra.properties").write_text(EXTRA.format(home=home / "kafka", password=PASSWORD))
    environment = {**os.environ, "JEONGSAN_HOME": str(home)}
    command = [ROOT / "kafka" / "broker"]
    try:
        done = subprocess.run([*command, "start"], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield done.stdout.strip().removeprefix("KAFKA_BOOTSTRAP="), home
    finally:
        subprocess.run([*command, "wipe"], env=environment, capture_output=True, check=True)
        shutil.rmtree(home)


@pytest.fixture
def environment(secured, monkeypatch):
    """The settings of production, all from the environment."""
    address, home = secured
    for name, value in {
        "KAFKA_BOOTSTRAP": address, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "jeongsan", "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CAFILE": str(home / "kafka" / "broker.pem"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return home


def test_topics__over_tls_with_a_password(jeongsan, environment):
    assert jeongsan("topics")["ok"] is True


@pytest.mark.parametrize(
    ("name", "value", "exit_code", "said"),
    [
        ("KAFKA_SASL_PASSWORD", "wrong", 2, "KAFKA_SASL_PASSWORD"),
        ("KAFKA_SASL_PASSWORD", "", 2, "KAFKA_SASL_PASSWORD"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", 2, "KAFKA_SASL_MECHANISM"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS", 2, "KAFKA_SECURITY_PROTOCOL"),
        ("KAFKA_SSL_CAFILE", "nowhere.pem", 2, "KAFKA_SSL_CAFILE"),
        ("KAFKA_SSL_CAFILE", "{home}/kafka/store.p12", 2, "KAFKA_SSL_CAFILE"),
        ("KAFKA_SSL_KEYFILE", "{home}/kafka/broker.pem", 2, "KAFKA_SSL_CERTFILE"),
        ("KAFKA_SSL_CAFILE", "{home}/other/broker.pem", 4, "certificate verify failed"),
        ("KAFKA_BOOTSTRAP", "nowhere", 2, "KAFKA_BOOTSTRAP"),
        ("KAFKA_BOOTSTRAP", "127.0.0.1:1,127.0.0.1:2", 4, "127.0.0.1:2"),
    ],
)
def test_topics__say_which_setting_is_wrong(jeongsan, environment, monkeypatch, name, value, exit_code, said):
    monkeypatch.setenv(name, value.format(home=environment))
    answer = jeongsan("topics", exit_code=exit_code)
    assert said in answer["messages"][0]
    assert PASSWORD not in str(answer)

"""Settings: read in one place, wrong ones explained, secrets never shown (S97, S117)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from onefold.errors import ConfigurationError
from onefold.settings import Settings, described

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = {
    "ONEFOLD_POSTGRES__URL": "postgresql://onefold_app:hunter2@localhost/onefold",
    "ONEFOLD_REDIS__URL": "redis://:hunter2@localhost/0",
    "ONEFOLD_KAFKA__SERVERS": "localhost:9092",
    "ONEFOLD_INDEX__SECRET": "ab" * 32,
}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[None]:
    before, folder = dict(os.environ), Path.cwd()
    for name in [name for name in os.environ if name.startswith("ONEFOLD_")]:
        del os.environ[name]
    os.chdir(tmp_path)
    yield
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(before)


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.load()
    text = str(refused.value)
    assert all(name.partition("__")[0] in text for name in GOOD)
    assert "onefold up" in text


def test_a_wrong_value_is_named_by_its_variable() -> None:
    os.environ.update({**GOOD, "ONEFOLD_RESOLVER__BATCH_SIZE": "many"})
    with pytest.raises(ConfigurationError, match=r"ONEFOLD_RESOLVER__BATCH_SIZE: .*integer"):
        Settings.load()


def test_the_environment_wins_over_the_file_of_a_local_stack(tmp_path: Path) -> None:
    (tmp_path / ".onefold").mkdir()
    (tmp_path / ".onefold/onefold.env").write_text("".join(f"{name}={value}\n" for name, value in GOOD.items()))
    os.environ["ONEFOLD_KAFKA__SERVERS"] = "elsewhere:9092"
    settings = Settings.load()
    assert (settings.kafka.servers, settings.index_secret) == ("elsewhere:9092", bytes([0xAB] * 32))


def test_a_named_file_that_is_none_is_said() -> None:
    os.environ["ONEFOLD_ENV_FILE"] = "/nowhere/onefold.env"
    with pytest.raises(ConfigurationError, match=r"/nowhere/onefold\.env"):
        Settings.load()


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    """S117."""
    os.environ.update(GOOD)
    settings = Settings.load()
    for text in (str(settings.redacted()), str(settings.redacted(only_set=True)), repr(settings), str(settings)):
        assert "hunter2" not in text
        assert "abab" not in text


def test_a_role_says_at_its_start_what_is_set_and_no_defaults() -> None:
    os.environ.update(GOOD, ONEFOLD_KAFKA__SERVERS="elsewhere:9092")
    told = Settings.load().redacted(only_set=True)
    assert told["kafka"] == {"servers": "elsewhere:9092"}
    assert "timeline" not in told


def test_every_setting_says_what_it_means() -> None:
    assert [each.variable for each in described() if not each.text] == []


def test_what_would_trust_any_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """S115: no setting turns verification off."""
    for query in ("ssl_cert_reqs=none", "ssl_cert_reqs=optional", "ssl_check_hostname=false"):
        _set(monkeypatch, ONEFOLD_REDIS__URL=f"rediss://redis.example:6379/0?{query}")
        with pytest.raises(ConfigurationError, match=r"ONEFOLD_REDIS__URL: .* would trust whoever answers"):
            Settings.load()
    _set(monkeypatch, ONEFOLD_REDIS__URL="rediss://redis.example:6379/0?ssl_ca_certs=ca.pem&ssl_cert_reqs=required")
    assert Settings.load()


def test_a_name_for_kafka_is_whole_and_never_sent_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [
        {"SECURITY_PROTOCOL": "SASL_SSL"},
        {"SECURITY_PROTOCOL": "SASL_SSL", "USERNAME": "onefold-relay"},
        {"USERNAME": "onefold-relay", "PASSWORD": "hunter2"},
        {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "USERNAME": "onefold-relay", "PASSWORD": "hunter2", "CA_FILE": "ca.pem"},
    ]
    for each in wrong:
        with monkeypatch.context() as patched:
            _set(patched, **{f"ONEFOLD_KAFKA__{name}": value for name, value in each.items()})
            with pytest.raises(ConfigurationError, match="ONEFOLD_KAFKA: ") as refused:
                Settings.load()
        assert "hunter2" not in str(refused.value)


def _set(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**GOOD, **more}.items():
        monkeypatch.setenv(name, value)

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
    for text in (str(settings.redacted()), repr(settings), str(settings)):
        assert "hunter2" not in text
        assert "abab" not in text


def test_every_setting_says_what_it_means() -> None:
    assert [each.variable for each in described() if not each.text] == []

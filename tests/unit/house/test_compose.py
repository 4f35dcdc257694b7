"""docker-compose.yml: held to the Compose specification, to the roles that exist, and to safe defaults. No engine has ever started it here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from onefold.cli.roles import COMMANDS
from onefold.local.postgres import APP, DATABASE, OWNER

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "tests/support/compose_spec/compose-spec.json").read_text())
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVERS = {"kafka", "redis", "postgres"}
OURS = set(COMPOSE["services"]) - SERVERS


def test_it_follows_the_compose_specification() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(COMPOSE)] == []


def test_the_schema_would_find_a_mistake() -> None:
    """So that the test before is known to test something."""
    wrong = {**COMPOSE, "services": {"collector": {"read_only": "perhaps", "helthcheck": {}}}}
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(wrong))) > 0


def test_every_role_has_a_service_and_one_sets_up() -> None:
    assert {*COMMANDS, "setup"} == OURS
    for name in OURS:
        assert COMPOSE["services"][name]["command"][0] == name


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_service_says_how_healthy_it_is_and_waits_for_what_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    if name == "setup":
        assert set(service["depends_on"]) == SERVERS
        assert {each["condition"] for each in service["depends_on"].values()} == {"service_healthy"}
        return
    assert service["healthcheck"]["test"]
    if name in OURS:
        assert service["depends_on"] == {"setup": {"condition": "service_completed_successfully"}}


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_container_has_no_root_and_no_privileges(name: str) -> None:
    """S113: ours have a read-only root file system too; of the servers all but Kafka, whose start script writes into its own folder."""
    service = COMPOSE["services"][name]
    assert service["user"] not in {"", "root", "0", "0:0"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) is (name != "kafka")


def test_every_secret_must_be_given_and_the_dev_profile_gives_exactly_those() -> None:
    """No password that everybody knows outside of the file that says it is for development."""
    named = re.findall(r"\$\{(\w+)(:\?|:-|\})", TEXT)
    secrets = {name for name, _ in named if re.search("PASSWORD|SECRET", name)}
    assert {kind for name, kind in named if name in secrets} == {":?"}
    assert not re.search(r"PASSWORD: (?!\$\{)", TEXT)
    example = dict(line.split("=", 1) for line in (ROOT / "deploy/.env.example").read_text().splitlines() if line and line[0] != "#")
    assert set(example) == secrets | {"ONEFOLD_PROFILE"}
    assert example["ONEFOLD_PROFILE"] == "dev"
    assert "ONEFOLD_PROFILE: ${ONEFOLD_PROFILE:-production}" in TEXT


def test_nothing_is_published_but_the_doors_and_those_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert list(published) == ["collector", "user-api", "contact-api"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_its_database_has_the_roles_that_the_embedded_one_has() -> None:
    made = (ROOT / "deploy/postgres-roles.sh").read_text()
    assert re.findall(r"create role (\w+) login", made) == [OWNER, APP]
    assert re.findall(r"create database (\w+) owner (\w+)", made) == [(DATABASE, OWNER)]


def test_the_image_copies_nothing_that_the_engine_does_not_get() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    allowed = {line[1:] for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(\S+)", dockerfile, flags=re.MULTILINE))
    assert copied == allowed
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER \d+:\d+$", dockerfile, flags=re.MULTILINE)

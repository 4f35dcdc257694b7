"""Every setting, by concern, from the environment: `ONEFOLD_POSTGRES__URL` is `settings.postgres.url`. The only reader of it.

Entry points load settings once and pass on what was made from them. The reference page and the `.env` example are generated from here.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onefold.errors import ConfigurationError

LOCAL_ENV_FILE = Path(".onefold/onefold.env")
"""Where `onefold up` and `onefold demo` leave the addresses of the servers that they started."""


class _Concern(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Postgres(_Concern):
    """The system of record."""

    url: SecretStr
    """Where workers connect, as the role `onefold_app`: postgres://onefold_app:…@host:5432/onefold."""
    admin_url: SecretStr | None = None
    """Where `onefold setup` connects, as the owner of the database. Workers do not need it."""
    pool_size: int = Field(default=10, ge=2, le=200)
    """Connections of one process."""
    idle_in_transaction_ms: int = Field(default=5_000, ge=100)
    """After how long the server ends a transaction that a stopped worker left open. Below Kafka's session timeout."""
    transaction_ms: int = Field(default=120_000, ge=1_000)
    """The longest that any transaction may take. Ends one whose worker was stopped in the middle of a statement, too."""


class Redis(_Concern):
    """The resolution index."""

    url: SecretStr
    """redis://:password@host:6379/0, rediss:// for TLS, redis+cluster:// for a cluster."""
    timeout_ms: int = Field(default=250, ge=1)
    """How long a look-up may take before the batch goes on without the index. Not less than a busy worker's own pauses."""

    @field_validator("url")
    @classmethod
    def _verifies(cls, url: SecretStr) -> SecretStr:
        for name, said in parse_qsl(urlsplit(url.get_secret_value()).query):
            if name in {"ssl_cert_reqs", "ssl_check_hostname"} and said.lower() not in {"required", "true"}:
                raise ValueError(f"{name}={said} would trust whoever answers; leave it out, and name an authority by ssl_ca_certs")
        return url


class Kafka(_Concern):
    """The log."""

    servers: str
    """Bootstrap servers, comma-separated: host:9092."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to speak to them. `SSL` and `SASL_SSL` always verify the brokers' certificates and names; nothing turns that off."""
    ca_file: Path | None = None
    """PEM of the authorities that sign the brokers' certificates; unset, those of the system."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How a role proves who it is."""
    username: str | None = None
    """Who this role is to Kafka. One for each role, so that each has its own rights: `onefold topics rights`."""
    password: SecretStr | None = None
    """Of that user."""
    topic_prefix: str = ""
    """Goes before the name of every topic, to keep installations apart on one cluster."""
    partitions: int = Field(default=12, ge=1)
    """Of the topics that `onefold topics create` makes. More can be added later, fewer cannot."""
    replication: int = Field(default=1, ge=1)
    """Copies of each partition. Three in production."""
    group: str = "onefold-resolver"
    """Consumer group of the resolvers."""
    session_timeout_ms: int = Field(default=10_000, ge=1_000)
    """After how long a silent worker loses its partitions."""

    @model_validator(mode="after")
    def _complete(self) -> Kafka:
        by_name = self.security_protocol.startswith("SASL_")
        if by_name and not (self.username and self.password):
            raise ValueError(f"{self.security_protocol} needs a username and a password")
        if not by_name and (self.username or self.password):
            raise ValueError(f"a username or password is never sent under {self.security_protocol}: say SASL_SSL, or leave them out")
        if self.ca_file is not None and not self.security_protocol.endswith("SSL"):
            raise ValueError(f"there is nothing to verify under {self.security_protocol}: say SSL or SASL_SSL, or leave the CA file out")
        return self


class IndexSettings(_Concern):
    """What keeps the index's entries from being forged or read."""

    secret: SecretStr
    """64 hexadecimal digits. Everyone who writes entries must have the same; a new one empties the index."""


class ResolverSettings(_Concern):
    """The resolver."""

    batch_size: int = Field(default=500, ge=1, le=5_000)
    """Interactions of one partition that are settled in one transaction."""
    recency_seconds: int = Field(default=3_600, ge=0)
    """How precisely last use is recorded. Zero is exact, and writes at every event."""
    tenure_budget: int = Field(default=10_000, ge=1)
    """Identifiers that the merges of one transaction may move; what is over waits for the next."""


class RelaySettings(_Concern):
    """The relay."""

    batch_size: int = Field(default=1_000, ge=1, le=10_000)
    """Outbox rows of one Kafka transaction."""


class TimelineSettings(_Concern):
    """The timeline."""

    batch_size: int = Field(default=5_000, ge=1, le=20_000)
    """Lines of one partition that are stored in one transaction."""
    retention_days: int = Field(default=400, ge=14)
    """How long what contacts did is kept, by event time; dropped in whole weeks, so for a week longer at most."""


class JobsSettings(_Concern):
    """Jobs of workspaces."""

    at_once: int = Field(default=2, ge=1, le=50)
    """Jobs that one worker works on at a time."""
    lease_seconds: float = Field(default=60.0, ge=1.0)
    """After how long without progress a job is somebody else's."""
    ghosts_per_second: float = Field(default=500.0, gt=0)
    """Ghosts that one sweep destroys at most, so that resolvers keep the upper hand."""


class CollectorSettings(_Concern):
    """The collector."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """Port to listen on."""
    public_url: str | None = None
    """How browsers reach it, where that cannot be told from their requests."""
    body_bytes: int = Field(default=512_000, ge=1_000)
    """Largest request, decompressed."""
    event_bytes: int = Field(default=32_768, ge=1_000)
    """Largest event of a batch."""
    requests_per_second: float | None = None
    """Limit of one write key in one process; unset for none."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For counts (JSON list)."""


class UserApiSettings(_Concern):
    """The User API."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8081, ge=0, le=65_535)
    """Port to listen on."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For counts (JSON list)."""
    origins: tuple[str, ...] = ()
    """Origins of pages, besides its own, that may call with a session (JSON list), such as https://admin.example.com."""
    session_idle_minutes: int = Field(default=120, ge=1)
    """After how long without a call a session ends."""
    session_hours: int = Field(default=12, ge=1)
    """After how long a session ends whatever happens."""
    peppers: dict[int, SecretStr] = Field(default_factory=dict)
    """Secrets that are mixed into passwords before they are hashed, by version (JSON object); the newest is used for new ones (S25)."""


class ContactApiSettings(_Concern):
    """The Contact API."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8082, ge=0, le=65_535)
    """Port to listen on."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For counts (JSON list)."""
    requests_per_second: float = Field(default=500.0, gt=0)
    """Calls that one process takes at most; bursts of five seconds' worth, here and below."""
    requests_per_second_and_key: float = Field(default=100.0, gt=0)
    """Of these, of one write key."""
    requests_per_second_and_place: float = Field(default=10.0, gt=0)
    """Of these, of one address (an IPv6 /64)."""
    public_url: str = Field(default="http://127.0.0.1:8082", pattern="^https?://[^/?#]+/?$")
    """How people's browsers reach it, such as https://contact.example.com: links in messages to contacts lead there."""
    session_idle_days: int = Field(default=14, ge=1, le=365)
    """After how many days without a call a visitor's session ends."""
    session_days: int = Field(default=90, ge=1, le=730)
    """After how many days it ends whatever happens."""
    peppers: dict[int, SecretStr] = Field(default_factory=dict)
    """Secrets that are mixed into visitors' passwords before they are hashed, by version (JSON object); the newest for new ones (S25)."""


class WebhooksSettings(_Concern):
    """Webhooks."""

    secrets: dict[int, SecretStr] = Field(default_factory=dict)
    """64 hexadecimal digits each, by version (JSON object): {"1": "…"}. What webhooks are signed with is derived of them, of the newest for
    new webhooks and rotated secrets. Unset, no webhook can be made. The User API and the webhooks' worker must have the same."""
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that webhooks may reach though they are not public (JSON list), also without TLS, such as 10.20.0.0/16. Whoever makes
    webhooks can make us POST to whatever is there."""
    at_once: int = Field(default=50, ge=1, le=1_000)
    """Messages that one worker sends at a time."""
    at_once_per_workspace: int = Field(default=20, ge=1)
    """Of these, to the webhooks of one workspace."""
    at_once_per_webhook: int = Field(default=5, ge=1)
    """Of these, to one webhook; one where the last attempt came to nothing."""
    timeout_seconds: float = Field(default=15.0, ge=0.1, le=60.0)
    """How long a receiver may take to answer."""
    disable_after_hours: float = Field(default=72.0, gt=0)
    """After how long without a success a webhook is disabled."""
    retention_days: int = Field(default=14, ge=1)
    """How long deliveries are kept when they have ended, with their bodies, so that they can be sent again."""

    @field_validator("secrets")
    @classmethod
    def _are_hexadecimal(cls, secrets: dict[int, SecretStr]) -> dict[int, SecretStr]:
        if not all(re.fullmatch("[0-9a-fA-F]{64}", each.get_secret_value()) for each in secrets.values()):
            raise ValueError("a secret has 64 hexadecimal digits, such as from openssl rand -hex 32")
        return secrets


class OutreachSettings(_Concern):
    """Messages to people."""

    smtp_host: str | None = None
    """Server that mail is handed in to. Unset, no mail is sent: what is asked for waits until it expires."""
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    """Its port: 587 for STARTTLS, 465 for TLS, as a rule."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` from the first byte, or `none`, which is for a server on this machine. Certificates are always verified."""
    smtp_username: str | None = None
    """Who signs in there; unset, nobody does."""
    smtp_password: SecretStr | None = None
    """Their password."""
    sender: str | None = None
    """Address that mail comes from, such as no-reply@example.com. The name beside it is the workspace's title."""
    reply_to: str | None = None
    """Address that answers go to."""
    sms_url: str | None = None
    """Gateway that texts are posted to. Unset, none is sent."""
    sms_secret: SecretStr | None = None
    """64 hexadecimal digits: what these posts are signed with, as webhooks are."""
    sms_folder: Path | None = None
    """A mailbox of a development machine, where texts are put instead of being sent. Refused in production."""
    links_url: str = Field(default="http://127.0.0.1:8081", pattern="^https?://[^/?#]+/?$")
    """Origin of the pages that links in messages lead to, such as https://app.example.com. The User API needs it, too."""
    at_once: int = Field(default=10, ge=1, le=200)
    """Messages of one channel that one worker sends at a time."""
    timeout_seconds: float = Field(default=30.0, ge=0.1, le=120.0)
    """How long a server may take to accept a recipient, and again to accept a message."""
    retention_days: int = Field(default=30, ge=1)
    """How long it is kept what became of messages. Their text and address are gone as soon as they are sent."""

    @field_validator("smtp_host", "smtp_username", "smtp_password", "sender", "reply_to", "sms_url", "sms_secret", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


class ValidationSettings(_Concern):
    """Codes and links by which addresses are proved."""

    secret: SecretStr | None = None
    """64 hexadecimal digits: what codes are hashed under. Unset, nobody can prove an address; a new one voids what is under way."""

    @field_validator("secret")
    @classmethod
    def _is_hexadecimal(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not re.fullmatch("[0-9a-fA-F]{64}", secret.get_secret_value()):
            raise ValueError("the secret has 64 hexadecimal digits, such as from openssl rand -hex 32")
        return secret


class HealthSettings(_Concern):
    """Health and metrics, on a port of their own."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=0, ge=0, le=65_535)
    """Port to listen on; 0 leaves the choice to the system, and the log says which."""


class Logs(_Concern):
    """What a process says of itself, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on."""
    format: Literal["json", "console"] = "json"
    """One JSON object a line, or text for people."""


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="ONEFOLD_", env_nested_delimiter="__", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    profile: Literal["dev", "production"] = "dev"
    """`production` refuses to start on a Postgres that may lose commits, and wants three copies of every topic."""
    postgres: Postgres
    redis: Redis
    kafka: Kafka
    index: IndexSettings
    resolver: ResolverSettings = ResolverSettings()
    relay: RelaySettings = RelaySettings()
    timeline: TimelineSettings = TimelineSettings()
    jobs: JobsSettings = JobsSettings()
    collector: CollectorSettings = CollectorSettings()
    user_api: UserApiSettings = UserApiSettings()
    contact_api: ContactApiSettings = ContactApiSettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    outreach: OutreachSettings = OutreachSettings()
    validation: ValidationSettings = ValidationSettings()
    health: HealthSettings = HealthSettings()
    logs: Logs = Logs()

    @classmethod
    def load(cls) -> Settings:
        """From the environment, and where it is silent from the file that a local stack left. Raises ConfigurationError."""
        named = os.environ.get("ONEFOLD_ENV_FILE")
        file = Path(named) if named else LOCAL_ENV_FILE
        if named and not file.is_file():
            raise ConfigurationError(f"ONEFOLD_ENV_FILE names {named}, which is no file")
        try:
            return cls(_env_file=file if file.is_file() else None)
        except ValidationError as error:
            raise ConfigurationError(_explain(error)) from None

    def redacted(self, *, only_set: bool = False) -> dict[str, Any]:
        """All values, secrets masked, as `onefold settings show` prints them (S117); or those alone that are no defaults."""
        return self.model_dump(mode="json", exclude_defaults=only_set)

    @property
    def index_secret(self) -> bytes:
        """The index's secret as bytes."""
        return bytes.fromhex(self.index.secret.get_secret_value())

    @property
    def validation_secret(self) -> bytes | None:
        """The secret of codes and links as bytes; None where there is none, and nobody can prove an address."""
        secret = self.validation.secret
        return bytes.fromhex(secret.get_secret_value()) if secret is not None else None


def variable(path: tuple[str | int, ...]) -> str:
    """The environment variable of a setting."""
    return "ONEFOLD_" + "__".join(str(part).upper() for part in path)


def _explain(error: ValidationError) -> str:
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        missing = each["type"] == "missing"
        lines.append(f"  {variable(each['loc'])}: {'is missing' if missing else each['msg']}")
    return (
        "Settings are missing or wrong:\n"
        + "\n".join(sorted(lines))
        + "\nSet them in the environment, or name a file of them in ONEFOLD_ENV_FILE, or start local servers with `onefold up`."
        " `docs/reference/settings.md` says what each means."
    )


class Described(NamedTuple):
    """One variable for the reference page."""

    variable: str
    default: str
    text: str


def described() -> list[Described]:
    """Every variable with its default and meaning, in the order of this file."""
    found: list[Described] = []
    for name, concern in Settings.model_fields.items():
        kind = concern.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.extend(
                Described(variable((name, inner)), _default_text(each.default, required=each.is_required()), each.description or "")
                for inner, each in kind.model_fields.items()
            )
        else:
            found.append(
                Described(variable((name,)), _default_text(concern.default, required=concern.is_required()), concern.description or "")
            )
    return found


def _default_text(default: object, *, required: bool) -> str:
    if required:
        return "required"
    return "unset" if default is None or default in ((), "") else str(default)

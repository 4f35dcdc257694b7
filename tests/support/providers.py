"""OpenID providers: one that signs, well and badly, and one that answers over HTTP, or does not."""

from __future__ import annotations

import json
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.support.signing import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from onefold.access.provider_keys import Issuer

AUDIENCE = "urn:onefold:workspace:acme"


@dataclass
class Provider:
    """It has a key of each kind, named by the algorithm that it is for."""

    issuer: str = "https://id.example"
    pairs: dict[str, ECKey | RSAKey] = field(
        default_factory=lambda: {
            "ES256": ECKey.generate_key("P-256"),
            "RS256": RSAKey.generate_key(2048),
            "PS256": RSAKey.generate_key(2048),
        }
    )

    def header(self, alg: str = "ES256", **changes: Any) -> dict[str, Any]:
        """The header that it writes; None takes a field away."""
        return _without_none({"alg": alg, "typ": "at+jwt", "kid": alg, **changes})

    def claims(self, now: datetime = NOW, **changes: Any) -> dict[str, Any]:
        """The claims that it signs; None takes one away."""
        at = int(now.timestamp())
        claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ann", "client_id": "app", "jti": "1", "iat": at, "exp": at + 600}
        return _without_none({**claims, **changes})

    def token(self, alg: str = "ES256", *, now: datetime = NOW, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token that it signs with the key of this algorithm."""
        written = self.header(alg, **header or {})
        registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
        return jws.serialize_compact(written, json.dumps(self.claims(now, **claims)), self.pairs[alg], registry=registry)

    def id_token(self, alg: str = "ES256", *, now: datetime = NOW, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """The same as an ID token, made out to `site`."""
        return self.token(
            alg, now=now, header={"typ": "JWT", **(header or {})}, **{"aud": "site", "client_id": None, "jti": None, **claims}
        )

    def keys(self) -> dict[str, ECKey | RSAKey]:
        """The public halves."""
        return {name: type(pair).import_key(pair.as_dict(private=False)) for name, pair in self.pairs.items()}

    def jwks(self) -> list[dict[str, Any]]:
        """The public halves, as it publishes them."""
        return [{**pair.as_dict(private=False), "kid": name, "use": "sig"} for name, pair in self.pairs.items()]

    async def find_key(self, issuer: Issuer, name: str) -> ECKey | RSAKey | None:
        """As `ProviderKeys.find`, without a network."""
        return self.keys().get(name) if issuer.issuer == self.issuer else None


@dataclass
class Site:
    """What a provider answers: by path, a status and a body, or a delay before it."""

    origin: str
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    delay_seconds: float = 0.0
    is_down: bool = False

    def publish(self, provider: Provider, **changes: Any) -> None:
        """Its discovery document and its keys."""
        document = {"issuer": provider.issuer, "jwks_uri": f"{self.origin}/keys", **changes}
        self.say("/.well-known/openid-configuration", document)
        self.say("/keys", {"keys": provider.jwks()})

    def say(self, path: str, document: Any, *, status: int = 200, **headers: str) -> None:
        """Answer this, at a path."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, body, headers)


def certificate_for(host: str, folder: Path) -> tuple[Path, Path]:
    """A certificate of this name that nobody but itself vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


@contextmanager
def site(*, certificate: Path | None = None, key: Path | None = None) -> Iterator[Site]:
    """A real server on this machine, over TLS if it has a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            time.sleep(found.delay_seconds)
            status, body, headers = (503, b"", {}) if found.is_down else found.answers.get(self.path, (404, b"{}", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have heard enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Site(f"http://127.0.0.1:{server.server_address[1]}")
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        found = Site(f"https://localhost:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

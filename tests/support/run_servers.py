"""A program that starts local servers, says their pids as a line of JSON, and waits: for tests that end it in every way there is.

    python -m tests.support.run_servers FOLDER [SERVER …]

With ONEFOLD_TEST_ONCE set it stops them again at once. A configuration error is told as the command line would: in one line, exit 78.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from onefold.errors import ConfigurationError
from onefold.local.servers import LocalServers


def main() -> None:
    """Start, tell, wait."""
    folder, *names = sys.argv[1:]
    kafka, postgres, redis = (not names or name in names for name in ("kafka", "postgres", "redis"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with LocalServers(folder, kafka=kafka, postgres=postgres, redis=redis) as servers:
            sys.stdout.write(json.dumps({name: servers.pid(name) for name in servers.log_files}) + "\n")
            sys.stdout.flush()
            while "ONEFOLD_TEST_ONCE" not in os.environ:
                time.sleep(60)
    except ConfigurationError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(78)


if __name__ == "__main__":
    main()

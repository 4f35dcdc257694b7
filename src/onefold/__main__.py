"""`python -m onefold` is the console command `onefold`: how one role of ours starts another without looking at PATH."""

from __future__ import annotations

from onefold.cli.main import main

if __name__ == "__main__":
    main()

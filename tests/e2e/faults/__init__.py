"""Kill it, stop it, cut it off, under load, with real processes. A selection runs with every test run, all of it with `./dev faults`."""

"""What the benchmarks measure with and against: servers, figures, loads, and bare substrates."""

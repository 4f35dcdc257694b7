"""HTTP outwards: calls that we make, to addresses that were checked. The only place that opens a connection to a stranger."""

"""One module per consumer, each readable from top to bottom: resolver and relay (aiokafka), segments (Faust)."""

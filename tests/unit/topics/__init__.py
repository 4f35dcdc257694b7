"""What of the Kafka room needs no broker."""

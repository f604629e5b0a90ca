"""Kafka as the data plane uses it: reading a topic's log, the probe, the spy."""

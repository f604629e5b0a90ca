"""The producer: simulated tweets into Kafka, and the ledger of what was acknowledged."""

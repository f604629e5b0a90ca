"""A stack at hand: what its machine must have, its runtime chosen and assembled, the Kafka that it runs."""

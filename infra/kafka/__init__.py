"""Knowing a Kafka cluster from outside: its client, its readiness, its data's id, what its complaints mean."""

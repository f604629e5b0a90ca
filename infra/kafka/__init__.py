"""A Kafka cluster seen from outside: client, readiness, cluster id, diagnosis of its errors."""

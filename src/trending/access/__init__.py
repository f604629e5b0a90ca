"""What lets a stack into Kafka: its settings, what is made of them and a secret, and the same for Kafka's Java client."""

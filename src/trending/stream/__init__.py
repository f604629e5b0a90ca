"""The streaming job from Kafka to the serving store. Only the job and its progress listener import PySpark."""

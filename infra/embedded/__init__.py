"""The embedded runtime: a broker as a local Java process."""

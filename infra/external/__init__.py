"""The external runtime: a stack whose brokers are somebody else's, and are there already."""

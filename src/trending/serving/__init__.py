"""The serving store: written once a batch, read for every ranking that anybody sees."""

"""The serving store: written once per batch, read for every ranking that is shown."""

"""The data plane: tweets, simulator, streaming job, serving store and audit. No Prefect, no Docker."""

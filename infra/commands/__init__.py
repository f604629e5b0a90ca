"""Commands that are not flows and do not need Prefect."""

"""What a flow's run is given and what it leaves: a Prefect server, its timeline, its artifacts."""

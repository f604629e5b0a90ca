"""What flow runs need and leave: a Prefect server, measured steps, artifacts."""

"""The local Prefect server and the lab's worker, under a supervisord of their own."""

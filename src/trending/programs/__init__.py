"""What all programs share: specifications, signal handling and exit codes, heartbeats."""

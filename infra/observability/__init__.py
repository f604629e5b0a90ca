"""Watching stacks with Prometheus and Grafana: configuration, rules, a dashboard, and the command that puts them in place."""

"""Prometheus and Grafana for stacks: configuration, rules, a dashboard, and installing them."""

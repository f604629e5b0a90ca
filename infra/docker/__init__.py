"""The docker runtime: services as containers, the images they need, and Docker Compose."""

"""The machine that the lab runs on: its processes and ports, time, places and files, a browser."""

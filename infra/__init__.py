"""The machine room, without Prefect: declares, runs, examines and repairs stacks."""

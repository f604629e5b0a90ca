"""The machine room, without Prefect: what a stack is, how it is run, when it is ready, what is wrong with it."""

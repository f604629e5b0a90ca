"""The operations on a stack, one function each. They run without Prefect; the tasks wrap them."""

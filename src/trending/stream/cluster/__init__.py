"""A job whose tasks run on a cluster: its master, its executors, and the package that they get."""

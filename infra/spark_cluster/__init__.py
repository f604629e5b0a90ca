"""A Spark cluster: the package that a job takes there, and a standalone one on this machine."""

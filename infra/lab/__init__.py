"""Assembling a stack: prerequisites, choice of the runtime, the version of its Kafka, leftovers on the machine."""

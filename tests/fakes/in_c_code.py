"""What a signal's exception is after confluent-kafka's C code: the calls return a result although it is set."""

from __future__ import annotations


def in_c_code(raised: BaseException) -> SystemError:
    """Return the error that Python makes of it: ``_PyErr_FormatFromCause`` sets cause and context."""
    made = SystemError("<method 'describe_topics' of 'confluent_kafka.cimpl._AdminClientImpl' objects> returned a result")
    made.__cause__ = made.__context__ = raised
    return made

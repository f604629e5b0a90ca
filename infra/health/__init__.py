"""The health of a stack: examination of its components, verdicts and their record, repairs."""

"""The version of this code. A program that another version has started is started anew by the next ``make up``."""

VERSION = "0.2.0"

"""The words of the page, a language a module."""

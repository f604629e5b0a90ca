"""The functions that Notebook.ipynb calls, and the keeper of its stack."""

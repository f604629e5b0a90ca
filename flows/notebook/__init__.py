"""What Notebook.ipynb calls, and what watches over its stack."""

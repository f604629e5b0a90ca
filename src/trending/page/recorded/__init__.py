"""What the page has shown: kept for some minutes, saved as a file, and played again."""

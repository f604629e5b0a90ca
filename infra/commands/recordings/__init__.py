"""What the page has shown: saved, and shown again without a broker."""

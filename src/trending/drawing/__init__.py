"""SVG without a chart library: lines, bars and the notebook's pictures."""

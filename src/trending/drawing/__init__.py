"""SVG without a chart library: lines, bars, a notebook's pictures."""

"""Where the producer's records come from: a catalogue at a steady rate, or a scenario."""

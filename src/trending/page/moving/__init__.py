"""What moves on the page beside the ranking: proof, time ribbon, pipeline, sampled tweets, the lines of the last minutes."""

"""What was recorded elsewhere, a file or another topic, sent again at a pace of one's own and counted like everything else."""

"""What a public defence needs besides the figures: who defends what, the memoria, slides that can be edited."""

"""Commands that send what the simulator does not send by itself."""

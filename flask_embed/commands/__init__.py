"""What the command lines share and do."""

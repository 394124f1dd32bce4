"""The tests; their folders mirror flask_embed/, adapters/ and middleware/."""

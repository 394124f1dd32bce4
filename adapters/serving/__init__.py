"""The machinery of all servers: from bytes to an environ, through the gate to the app, and back to bytes."""

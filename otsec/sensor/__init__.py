"""A sensor that runs for months: rights, listening, recording, heartbeat, upkeep."""

"""From packets to ordered units: flows in columns, connections in order."""

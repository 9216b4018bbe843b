"""From something in the store back to its packets: found, gathered, written, dissected.

The one part above the store that reads packets (docs/evidence.md).
"""

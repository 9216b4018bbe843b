"""The terminal UI: screens over a store that an analysis or a sensor may be writing to.

It reads with connections of its own, which never hold up a writer, and writes only what a person
says, in a short transaction. Nothing here speaks SQL and nothing reads a packet.
"""

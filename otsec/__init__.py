"""otsec: a passive monitor for industrial networks."""

__version__ = "0.1.0"

"""How streams, datagrams and messages are cut into units; shared by the protocols, and nestable."""

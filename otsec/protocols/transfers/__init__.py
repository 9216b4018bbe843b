"""How protocols transfer programs, blocks and files: what begins, carries and ends them."""

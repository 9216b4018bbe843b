"""Generated tables of names, each beside the script that makes it; their heads say where from."""

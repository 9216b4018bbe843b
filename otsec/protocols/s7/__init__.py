"""The parts of S7comm: what is cut in columns, what is decoded, what units say of others."""

"""What only the first version of SMB has."""

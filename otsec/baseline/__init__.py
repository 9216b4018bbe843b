"""What is normal: learned from what the store holds, ended by evidence, kept as lines of text."""

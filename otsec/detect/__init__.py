"""What is wrong, without learning: rules over what the store holds, and the findings they make."""

"""What was announced: records of changes and maintenance, and the findings that they explain."""

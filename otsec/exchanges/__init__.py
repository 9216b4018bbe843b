"""From units to exchanges: requests with their responses, each distinct thing decoded once."""

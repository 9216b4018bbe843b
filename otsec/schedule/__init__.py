"""Reports by schedule: when they are due, runs of which none is lost, signatures, delivery."""

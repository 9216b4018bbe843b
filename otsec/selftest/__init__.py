"""The self-test: whether each rule would tell of its attack on this site's devices."""

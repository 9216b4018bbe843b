"""What leaves a batch is small: counts, extremes, sums and histograms that merge exactly."""

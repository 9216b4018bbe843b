"""What is found of labelled episodes, how soon, and how often nothing was there."""

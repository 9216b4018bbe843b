"""Tables of words: names that protocols give to their codes, too long to stand beside the code."""

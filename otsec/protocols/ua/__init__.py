"""The parts of OPC UA: columns of units, lists and values; types, texts and facts."""

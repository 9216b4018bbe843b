"""Who is there: assets made of what the store holds and of what people said.

Nothing of it is kept: `inventory` makes it anew from stations, facts, conversations and acts, so
that it can never be older than these. `identity` says which addresses are one device,
`knowledge` what is known of it, `roles` what it is, `completeness` and `wanted` what is missing.
"""

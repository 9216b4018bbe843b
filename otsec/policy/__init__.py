"""What is allowed: zones and conduits of a site, judged on what the store holds.

`reading` turns a file into a `model.Policy` and tells every mistake in it with its place,
`checking` looks at what is written together, `placing` and `judging` give each conversation and
behaviour of a store its verdict, and the others make something of verdicts. Nothing of it is kept
and nothing reads a packet: another policy judges the same store anew.
"""

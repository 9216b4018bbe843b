"""Who worked on what: sessions made of what the store holds, and the chains that they form.

Nothing of it is kept: `sessions` makes it anew from conversations, notable events and facts, as the
inventory is made. `kinds` says what is a session, `authentication` how its party was checked,
`chains` which session was worked through which.
"""

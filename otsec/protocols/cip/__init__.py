"""The Common Industrial Protocol, whatever carries it: messages in columns, and one by one.

`cut` cuts messages into key and values, `messages` and `pccc` say what one message says, `paths`
what a path leads to. Both ways to look at a message stand on the forms that `codes` names.
"""

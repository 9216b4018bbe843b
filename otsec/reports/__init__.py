"""Pages for people who were not there: each kind is a file that gathers, and a template.

Nothing of a report comes from the machine that writes it, so the same store gives the same page.
"""

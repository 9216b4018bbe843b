"""The same screens in a browser on this machine: `otsec serve`.

textual-serve runs the application in a process a visitor and brings its bytes to the page. It knows
neither who asks nor from where, so what stands in front of it is ours: `guard.py` lets in whoever
has the link, `server.py` has the routes and the bounds, `page/` is the page, which loads nothing
from elsewhere.
"""

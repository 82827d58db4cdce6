"""What a person is given of what a service keeps about them: lists of rows in plain words, and the route to them.

Each service says in `access_desk.py` and `texts/access.toml` what its own lists are; here is how a list is told.
"""

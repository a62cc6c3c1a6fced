"""How property tests draw their examples: the same ones in every run, unless told otherwise.

`pytest --hypothesis-profile=search` looks for new ones, many more of them.
"""

from hypothesis import settings

settings.register_profile("repeatable", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("search", max_examples=5000, deadline=None)
settings.load_profile("repeatable")

"""Reports of suites: the page, its figures and films, ranks and words about several suites."""

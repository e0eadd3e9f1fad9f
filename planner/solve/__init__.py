import scipy.sparse  # noqa: F401 - before pyomo, which otherwise loads scipy.stats with it: half a second

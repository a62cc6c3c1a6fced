"""Whether two samples come from the same distribution."""

import collections

import numpy as np
from scipy import stats


def same_distribution(a, b):
    """The p value of a chi-square test that two lists of categories are alike."""
    a, b = collections.Counter(a), collections.Counter(b)
    names = sorted(set(a) | set(b), key=repr)
    if len(names) < 2:
        return 1.0
    table = np.array([[c[name] for name in names] for c in (a, b)])
    expected = table.sum(0) * table.sum(1, keepdims=True) / table.sum()
    rare = expected.min(0) < 5
    if rare.any():
        table = np.concatenate([table[:, ~rare], table[:, rare].sum(1, keepdims=True)], 1)
        table = table[:, table.sum(0) > 0]
    return stats.chi2_contingency(table).pvalue if table.shape[1] > 1 else 1.0

"""Sizes of an array that are worth trying."""


def useful_sizes(total: int, limit: int) -> list[int]:
    """Of the sizes up to ``limit``, the smallest for each number of rounds ceil(total / size), descending.

    A larger size with as many rounds takes resources and saves no cycle.
    """
    sizes, size = [], min(total, limit)
    while size >= 1:
        rounds = -(-total // size)
        sizes.append(-(-total // rounds))
        size = sizes[-1] - 1
    return sizes

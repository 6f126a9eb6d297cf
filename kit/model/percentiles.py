"""How many samples carry a percentile."""


def fewest(percent: float) -> int:
    """The fewest samples that carry a percentile: with 99 % confidence two of them lie beyond it, so that it is no outlier's
    word alone. It is the bound of MLPerf's early stopping: 64 for p90, 662 for p99.
    """
    below = percent / 100
    count = 2
    while below**count + count * (1 - below) * below ** (count - 1) > 0.01:
        count += 1
    return count


FEWEST = {f"p{percent}": fewest(percent) for percent in (50, 90, 99)}

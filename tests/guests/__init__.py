"""Apps of other frameworks mounted in ours, and ours mounted in theirs."""

"""One search over everything that has words of its own, the best answers first."""

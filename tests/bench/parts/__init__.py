"""The parts of the benchmark: each measures one thing with the Bench of base.py and says it to its report."""

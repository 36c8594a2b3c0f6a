"""Measurements that the documents quote, each repeated by ``python -m benchmarks NAME``."""

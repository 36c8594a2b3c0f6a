"""What predictions are worth: metrics, intervals, tests, calibration.

Of fusion, imports nothing.
"""

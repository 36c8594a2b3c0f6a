"""What is kept of a sequence: the words that every spec and the pooling share."""

from typing import Literal

Storage = Literal["pooled", "frames"]
StorageDtype = Literal["float32", "float16"]

#: Statistics over time that ``storage="pooled"`` keeps side by side, in this order.
TIME_STATISTICS = ("mean", "std", "max")
WindowFunction = Literal["hamming", "hann"]
#: Of the random weights of every ``:untrained`` encoder.
UNTRAINED_SEED = 0

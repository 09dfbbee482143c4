"""Find out whether the time of a call grows faster than its input.

For four times the input, a linear call takes four times as long, and a quadratic call sixteen times as long.
"""

import gc
import time
from collections.abc import Callable

SIZE = 8_000
# A shorter time is not compared, because a quadratic call takes longer for SIZE on any machine.
INSTANT_SECONDS = 0.02
# The long input is TIMES as long as the short one. Its time may be at most GROWTH times the short one's. GROWTH is
# between 4 and 16.
TIMES = 4
GROWTH = 8.0
# A busy machine makes some calls slower and none faster. So short and long inputs take turns, and the best time counts.
ROUNDS = 3


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call, without the time for the garbage of other tests."""
    gc.disable()
    began = time.process_time()
    call()
    took = time.process_time() - began
    gc.enable()
    return took


def grows_too_fast(call: Callable[[int], object], *, size: int = SIZE) -> bool:
    """Tell whether a call takes far more than TIMES as long for an input that is TIMES as long.

    call: gets the length of its input. size: the length of the long input. A quadratic call must take longer than
    INSTANT_SECONDS for it.
    """
    short, long = [], []
    for _ in range(ROUNDS):
        long.append(seconds(lambda: call(size)))
        if min(long) <= INSTANT_SECONDS:
            return False
        short += [seconds(lambda: call(size // TIMES)) for _ in range(ROUNDS)]
        if min(long) <= GROWTH * min(short):
            return False
    return True

"""Whether the time of a call grows faster than its input.

Four times the input in four times the time is linear; a square takes sixteen times as long.
"""

import gc
import time
from collections.abc import Callable

SIZE = 8_000
# Below it nothing is compared: a square of SIZE takes longer on any machine.
INSTANT_SECONDS = 0.02
# So much longer is the long input. Its time is at most GROWTH times the short one's, which is between 4 and 16.
TIMES = 4
GROWTH = 8.0
# A busy machine makes some calls slower and none faster: short and long inputs take turns, and the least time counts.
ROUNDS = 3


def seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call, without what the garbage of all other tests costs."""
    gc.disable()
    began = time.process_time()
    call()
    took = time.process_time() - began
    gc.enable()
    return took


def grows_too_fast(call: Callable[[int], object], *, size: int = SIZE) -> bool:
    """Tell whether a call, given the size of its input, takes far more than TIMES as long for TIMES as much.

    size: of the long input. A square of it must take longer than INSTANT_SECONDS.
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

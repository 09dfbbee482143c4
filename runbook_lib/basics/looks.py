"""Decide how long to wait between two looks at something that another service does. Pure."""

# The next wait is this share of the time so far, so at most this share is lost. The longer it takes, the fewer looks
# there are.
LOOK_SHARE = 0.05


def pause_between_looks(waited: float, *, least: float, most: float) -> float:
    """Return the seconds until the next look.

    Args:
        waited: The seconds since the first request.
        least: The lower bound of the result, in seconds.
        most: The upper bound of the result, in seconds.
    """
    return min(max(waited * LOOK_SHARE, least), most)

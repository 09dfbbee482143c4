"""How long to wait between two looks at something that another service does. Pure."""

# Of the time so far, so at most this share is lost. Looks become fewer the longer it takes.
LOOK_SHARE = 0.05


def pause_between_looks(waited: float, *, least: float, most: float) -> float:
    """Return the seconds until the next look.

    waited: the seconds since the first request. least, most: the bounds of the result, in seconds.
    """
    return min(max(waited * LOOK_SHARE, least), most)

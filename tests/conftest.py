"""What all tests share."""

from hypothesis import settings

# How long an example takes depends on the machine and on what else it does.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

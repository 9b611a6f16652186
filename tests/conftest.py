"""What holds for all tests."""

from hypothesis import settings

# how long an example takes says more about the machine, and what compiles, than about the code
settings.register_profile("clvmodels", deadline=None)
settings.load_profile("clvmodels")

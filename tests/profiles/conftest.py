"""Property tests without a deadline: a loaded machine is no fault."""

from hypothesis import settings

settings.register_profile("classroomd", deadline=None, max_examples=60)
settings.load_profile("classroomd")

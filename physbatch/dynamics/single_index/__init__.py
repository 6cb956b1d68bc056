"""One unit with a Hermite link on the sphere, through its overlap with the teacher alone."""

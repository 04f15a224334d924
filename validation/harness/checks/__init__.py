"""One question to the library per file; each has a function `check(settings, subjects, rng)`."""

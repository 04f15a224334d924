"""Measurements beside other tools; timings never decide a test."""

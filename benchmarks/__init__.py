"""Benchmarks: retrieval quality, turns, the making of a catalogue (``make bench``); the Rasa side alone in ``nlu``."""

"""Benchmarks: retrieval quality, scale, turns, making a catalogue (``make bench``); the Rasa side alone in ``nlu``."""

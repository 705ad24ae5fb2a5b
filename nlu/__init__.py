"""How the bot understands: Rasa's domain, training data, components and launcher.

Runs in an environment of its own (Python 3.10, Rasa 3.6.21) and imports nothing from
``bot``, ``index`` or ``knowledge``.
"""

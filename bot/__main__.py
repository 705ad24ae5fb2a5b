"""``python -m bot`` is ``tthc``."""

from bot.cli import main

main()

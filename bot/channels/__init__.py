"""Channels: the console, Telegram and a Zalo Official Account."""

"""Channels: the console and Telegram."""

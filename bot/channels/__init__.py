"""The ways to people, each behind a public face of :class:`bot.message.Channel`."""

from __future__ import annotations

from bot.message import Channel
from bot.settings import Settings


def channels(settings: Settings) -> list[Channel]:
    """The channels whose tokens are set. Raises RefusedError when their other settings will not do."""
    from bot.channels.telegram import TelegramChannel
    from bot.channels.zalo_bot import ZaloBot
    from bot.channels.zalo_oa import ZaloOA

    found: list[Channel] = []
    if settings.telegram_token.get_secret_value():
        found.append(TelegramChannel(settings))
    if settings.zalo_app_id:
        found.append(ZaloOA(settings))
    if settings.zalo_bot_token.get_secret_value():
        found.append(ZaloBot(settings))
    return found

class TelegramChannel:
    pass

"""How it talks: gateway, actions, replies, channels, command line."""

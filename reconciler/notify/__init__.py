"""Telling others what an apply has done: messages, and the webhooks that they are sent to.

Nothing here can hold up or change an apply: messages are sent once everything is recorded, within a
bounded time, and a webhook's failure is only a warning.
"""

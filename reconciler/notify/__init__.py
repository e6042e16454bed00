"""Telling others what an apply has done: messages, and the webhooks that they are sent to.

Nothing here can hold up or change an apply: it comes after everything is recorded, has a bounded
time, and a webhook's fault is a warning.
"""

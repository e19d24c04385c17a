"""The front of the AWS emulator: every request passes it, and it lets through only what the stack uses.

The emulator itself accepts well-known access keys without checking their signatures, and answers whoever connects.
"""

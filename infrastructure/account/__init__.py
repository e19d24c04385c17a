"""Names what a deployment of a stage would stumble over, before it is tried: `make check-account STAGE=prod`.

Everything that a stage needs is read from its synthesized assembly; everything that the account has, from AWS. No call
changes anything: `calls.ACTIONS` is the whole list.
"""

"""What is in a file: its kind, attributes and a preview. Bytes come in, facts go out; nothing here knows of the rest.

The only place that imports imaging libraries, and only the inspection's function has them.
"""

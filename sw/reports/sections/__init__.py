"""The sections of a report page: a module each, with what it is made of, and their order in
``registry``.
"""

"""Answers as JSON: the types that API, command line and exports share, and from which OpenAPI is made.

An image_id is a string everywhere: JavaScript rounds such numbers.
"""

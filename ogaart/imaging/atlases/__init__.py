"""Texture atlases: texts beside a picture that name its parts. Pure parsers, bounded, of one format each."""

"""Archives, decoding, canonical pixels, features, thumbnails: pure work on untrusted bytes."""

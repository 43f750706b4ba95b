"""Archives, decoding, canonical pixels, preparation for the network, thumbnails: pure work on untrusted bytes."""

"""A small OpenGameArt of real free art, in the site's own HTML, served on loopback."""

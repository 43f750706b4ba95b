"""One generation's serving files, read only: rows, columns of all images, words, and where bytes are."""

"""How well the search finds: edits and natural relatives of pictures, each way of ranking beside the default."""

"""Attribution: the text to copy, exports, and bundles with licence texts."""

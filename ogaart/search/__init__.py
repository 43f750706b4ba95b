"""The query service and the web application: search by picture, words and what a licence lets one do."""

"""Publications that hosts without a shared disk follow: their files in a bucket, the one in service in the database."""

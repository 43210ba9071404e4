"""Install and upgrade the schema: one transaction, or nothing."""

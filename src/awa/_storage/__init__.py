"""The database: one method per SQL function, and the drivers that carry them."""

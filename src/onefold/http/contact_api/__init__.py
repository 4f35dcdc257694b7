"""The Contact API: what a site's pages, and the visitors before them, may do without a server of their own (product.md, section 6)."""

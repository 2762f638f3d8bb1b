"""Tools that build what is released and deployed; `make help` lists them."""

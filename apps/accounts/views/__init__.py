"""The account pages: doors only, one module for each part of an account's life."""

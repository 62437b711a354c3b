"""The operators' console: what goes on now, who did what, and settings that change."""

"""What the processes of one platform report to each other through Redis. Imports no other app."""

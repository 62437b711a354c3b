"""A live page of a running QwenCam in a terminal: `scripts/monitor.py`.

`scraping` asks the server and its model servers, `exposition` reads their metrics pages,
`measurement` makes numbers of two of them, `history` keeps those, `page` makes lines of them, and
`cli` shows the lines. Needs rich and httpx and no rights but to `/health` and `/metrics`.
"""

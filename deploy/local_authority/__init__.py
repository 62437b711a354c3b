"""HTTPS without a domain: a certificate authority of this machine alone, and a certificate by it.

Browsers give a page the camera over HTTPS only, and no public authority signs names and addresses
of a local network. Who trusts this authority on a phone trusts it for this machine's names and for
private addresses, nothing else: its certificate says so (name constraints, RFC 5280 section
4.2.1.10).
"""

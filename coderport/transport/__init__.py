"""How a server is reached and how long it is waited for: addresses, proxies, certificates, deadlines, repeats."""

"""The Haystack HTTP API without I/O: request grids, answers, logins; no socket, no clock, no event loop."""

"""How the stages reach each other: in memory or over a server."""

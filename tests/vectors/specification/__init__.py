"""docs/protocol.md in plain Python, written from that page alone; each module names the section that it follows."""

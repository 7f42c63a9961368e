"""How bytes reach the core: protocol, UART, loader."""
